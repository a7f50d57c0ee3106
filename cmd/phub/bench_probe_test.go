package main

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// A node that answers with an old epoch proves something only if it was asked after another one had answered with a newer.
func TestProbe_FindsASecondActiveReplica(t *testing.T) {
	t.Parallel()
	p := &probe{asker: &asker{}, victim: "node1", children: []string{"child1"}, check: newActiveCheck()}
	reply := func(node string, epoch uint64) *nats.Msg {
		return &nats.Msg{Header: nats.Header{protocol.HeaderNode: {node}, protocol.HeaderEpoch: {strconv.FormatUint(epoch, 10)}}}
	}
	early := p.floor(0)
	for _, c := range []struct {
		name      string
		floor     uint64
		m         *nats.Msg
		elsewhere bool
		dual      int
	}{
		{"the victim, before it is struck", early, reply("node1", 4), false, 0},
		{"its successor", 4, reply("node2", 7), true, 0},
		{"the victim, late, to what it was asked before", 4, reply("node1", 4), false, 0},
		{"the victim, to what it was asked then", 7, reply("node1", 4), false, 1},
		{"another node in its successor's epoch", 7, reply("node3", 7), true, 2},
		{"an error", 7, &nats.Msg{}, false, 2},
	} {
		if got := p.elsewhere(0, c.floor, c.m); got != c.elsewhere || p.dual() != c.dual {
			t.Errorf("%s: found %t and %d times two, expected %t and %d", c.name, got, p.dual(), c.elsewhere, c.dual)
		}
	}
	if got := p.floor(0); got != 7 {
		t.Errorf("found epoch %d as the newest, expected 7", got)
	}
}
