//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

const (
	// serverLimit is how long a child may go unserved because its node's NATS server died; longer only where the machine is slow:
	// see slowness.
	serverLimit = 200 * time.Millisecond
	// electionWait is longer than the election of a stream's leader.
	electionWait = 12 * time.Second
)

// Each server in turn; one of them leads the placement bucket's stream.
func TestKillServer_EachInTurn(t *testing.T) {
	h, l, children := faultyHub(t)
	before := h.active()
	led := false
	for i, s := range h.nats.servers {
		leads := h.nats.leader(protocol.PlacementBucket.Name(hubName)) == i
		led = led || leads
		t.Logf("killing %s; it leads the placement stream: %v", s.name, leads)
		h.killServer(l, i, children)
		if after := h.active(); !maps.Equal(before, after) {
			t.Errorf("the death of %s changed who is active from %v to %v", s.name, before, after)
		}
		h.settled(3)
	}
	if !led {
		t.Errorf("no server that was killed led the stream")
	}
	h.check(l)
}

// killServer kills a server for some time, and starts it again.
func (h *testHub) killServer(l *load, i int, children []string) {
	h.t.Helper()
	l.use((i + 1) % len(h.nats.servers))
	l.during(200 * time.Millisecond) // what went through the old one is answered
	from := clock.Now()
	h.nats.servers[i].kill()
	slow := measure(h.t, h.nats.servers[(i+1)%len(h.nats.servers)].url, electionWait)
	h.t.Log(slow)
	for _, child := range children {
		h.service(l, child, from, slow.serverDeath())
	}
	h.nats.restart(i)
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		h.nats.current(b.Name(hubName))
	}
}

func TestRestart_WholeNATSCluster(t *testing.T) {
	h, l, children := faultyHub(t)
	for _, s := range h.nats.servers {
		s.kill()
	}
	l.during(3 * time.Second)
	for i := range h.nats.servers {
		h.nats.restart(i)
	}
	h.nats.ready()
	h.settled(3)
	if s, err := h.status(); err != nil || s.Children != len(children) {
		t.Errorf("%d children, %v; want the %d that were started", s.Children, err, len(children))
	}
	h.served(l, children)
	h.check(l)
}

// answered returns nil if the child answered a request that was sent after an instant.
func answered(l *load, child string, after int64) error {
	n, last := 0, ""
	for _, s := range l.soFar() {
		if s.Child != child || s.At < after {
			continue
		}
		if s.Outcome == history.OK {
			return nil
		}
		n, last = n+1, s.Outcome
	}
	return fmt.Errorf("%d tries, the last one: %s", n, last)
}
