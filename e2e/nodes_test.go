//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
)

// Limits on how long a child may go unserved. They are the promises of the README, with room for a
// machine that runs everything on two cores.
const (
	killedLimit      = 500 * time.Millisecond
	pausedLimit      = 4 * time.Second // a lease of 2 s, the check of it, and the takeover
	pausedCoordLimit = 5 * time.Second // the same, and until the members have given it up
)

// faultyHub is three NATS servers, three nodes, six children and the load on them.
func faultyHub(t *testing.T) (*testHub, *load, []string) {
	t.Helper()
	h := startHub(t, startNATS(t, 3), "node1", "node2", "node3")
	children := h.children(6)
	h.settled(3)
	l := startLoad(t, h.nats, hubName, children)
	h.served(l, children)
	return h, l, children
}

// served waits until every child has answered, once more.
func (h *testHub) served(l *load, children []string) {
	h.t.Helper()
	from := clock.Now()
	for _, child := range children {
		eventually(h.t, 30*time.Second, child+" is served", func() error { return answered(l, child, from) })
	}
}

// vacate moves all children that are active on a node to another one.
func (h *testHub) vacate(node string) {
	h.t.Helper()
	for _, child := range activeOn(h.active(), node, true) {
		h.phub("child", "move", child, h.otherReplica(child, node))
	}
	if left := activeOn(h.active(), node, true); len(left) > 0 {
		h.t.Fatalf("%v are still active on %s", left, node)
	}
}

// moved waits until none of the children is active on a node, and checks that each was served again
// in time.
func (h *testHub) moved(l *load, children []string, node string, from int64, limit time.Duration) {
	h.t.Helper()
	if len(children) == 0 {
		h.t.Fatalf("no child was active on %s: nothing is tested", node)
	}
	h.served(l, children)
	for _, child := range children {
		if s := h.service(l, child, from, limit); s.Last == node {
			h.t.Errorf("%s is still served by %s: %v", child, node, s)
		}
	}
}

func TestKill_ActiveNode(t *testing.T) {
	h, l, _ := faultyHub(t)
	coordinator := h.coordinator()
	node := "node1"
	if node == coordinator {
		node = "node2"
	}
	at := h.active()
	from := h.kill(node)
	h.moved(l, activeOn(at, node, true), node, from, killedLimit)
	h.settled(2)
	for _, child := range activeOn(at, node, false) {
		if s := h.service(l, child, from, killedLimit); len(s.Nodes) != 1 || len(s.Outcomes) != 1 {
			t.Errorf("%s did not run on %s, and still felt its death: %v", child, node, s)
		}
	}
	h.start(node)
	h.settled(3)
	h.check(l)
}

func TestKill_Coordinator(t *testing.T) {
	h, l, children := faultyHub(t)
	node := h.coordinator()
	h.vacate(node)
	from := h.kill(node)
	h.settled(2)
	for _, child := range children {
		if s := h.service(l, child, from, killedLimit); len(s.Outcomes) != 1 {
			t.Errorf("%s did not run on %s, and still felt its death: %v", child, node, s)
		}
	}
	if now := h.coordinator(); now == node {
		t.Errorf("%s is dead and still the coordinator", node)
	}
	h.check(l)
}

func TestKill_CoordinatorThatIsActive(t *testing.T) {
	h, l, _ := faultyHub(t)
	node := h.coordinator()
	at := h.active()
	from := h.kill(node)
	h.moved(l, activeOn(at, node, true), node, from, killedLimit)
	h.settled(2)
	h.start(node)
	h.settled(3)
	h.check(l)
}

func TestPause_ActiveNode(t *testing.T) {
	h, l, children := faultyHub(t)
	coordinator := h.coordinator()
	node := "node1"
	if node == coordinator {
		node = "node2"
	}
	h.paused(l, children, node, pausedLimit)
}

func TestPause_Coordinator(t *testing.T) {
	h, l, children := faultyHub(t)
	h.paused(l, children, h.coordinator(), pausedCoordLimit)
}

// paused stops a node for 30 s: the others serve meanwhile, and when it wakes it serves nothing from
// before.
func (h *testHub) paused(l *load, children []string, node string, limit time.Duration) {
	h.t.Helper()
	concerned := activeOn(h.active(), node, true)
	from, woke := h.pause(node, 30*time.Second)
	h.moved(l, concerned, node, from, limit)
	h.settled(3)
	h.served(l, children)
	for _, child := range children {
		h.service(l, child, woke, killedLimit)
	}
	h.check(l)
	for _, child := range children {
		h.answeredDespite(l, child, node, from, woke)
	}
}

// answeredDespite checks the stretch in which a node hangs, its connection open, from the first answer
// by another node on: NATS may give the node that hangs a copy of each request, but no share of them.
// Call it when the load has ended.
func (h *testHub) answeredDespite(l *load, child, node string, from, woke int64) {
	h.t.Helper()
	sent := l.soFar()
	takeover := woke
	for _, s := range sent {
		if s.Child == child && s.At >= from && s.Outcome == history.OK && s.Node != node {
			takeover = min(takeover, s.Done)
		}
	}
	asked, outcomes := 0, map[string]int{}
	for _, s := range sent {
		if s.Child == child && takeover <= s.At && s.At < woke {
			asked++
			outcomes[s.Outcome]++
		}
	}
	if asked == 0 || outcomes[history.OK] != asked {
		h.t.Errorf("%s had been taken over, and still not all of %d requests were answered: %v", child, asked, outcomes)
	}
}
