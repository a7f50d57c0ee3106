package phub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// TestKinds_AChildRunsWhereItsKindDoes starts a child of a kind that one node of three runs, and one of a kind that none runs
// until another node joins.
func TestKinds_AChildRunsWhereItsKindDoes(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	joinFor := func(name, kind string) {
		o := h.options(name)
		o.Kinds[kind] = who
		h.joinWith(o)
	}
	h.join("node1", "node2")
	joinFor("node3", "rare")
	asks := func(child, node string) {
		t.Helper()
		if reply, err := h.client.Request(h.ctx(10*time.Second), child, nil); err != nil || reply.Node != node {
			t.Errorf("%s is answered by %+v (%v), expected %s", child, reply, err, node)
		}
	}
	if res := h.start(phub.Spec{Child: "a", Kind: "rare"})[0]; res.Error != nil {
		t.Errorf("a child of a kind that one node runs: %v", res.Error)
	}
	asks("a", "node3")

	res := h.start(phub.Spec{Child: "b", Kind: "later"})[0]
	if res.Error == nil || !strings.Contains(res.Error.Message, `no node runs kind "later"; the hub's nodes run: broken, `) {
		t.Errorf("a child of a kind that no node runs: %+v", res)
	}
	joinFor("node4", "later")
	asks("b", "node4")
}
