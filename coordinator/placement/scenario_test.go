package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

func (h *hub) wantEven(t *testing.T, when string) {
	t.Helper()
	replicas, actives := h.counts()
	if spread(replicas) > 1 || spread(actives) > 1 {
		t.Errorf("%s: replicas %v, actives %v", when, replicas, actives)
	}
}

func TestScenario_ANodeIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	h := newHub(t, "node1 node2 node3", 1000)
	if n := h.repair(t); n != 1000 {
		t.Fatalf("first placement of %d of 1000 children", n)
	}
	h.settle(t, 50)
	h.wantEven(t, "after the first placement")
	if h.steps > 5 {
		t.Errorf("the first placement of equal children needed %d steps of balance", h.steps)
	}

	_, before := h.counts()
	h.lose("node2")
	_, after := h.counts()
	for _, n := range []string{"node1", "node3"} {
		if got := after[n] - before[n]; got < before["node2"]/3 {
			t.Errorf("%s took over %d of the %d actives of the lost node: badly spread", n, got, before["node2"])
		}
	}
	h.settle(t, 50)
	h.wantEven(t, "after the loss")

	h.steps = 0
	h.nodes = append(h.nodes, placement.Node{Name: "node2"})
	if n := h.repair(t); n != 0 {
		t.Errorf("a join by itself moved %d children", n)
	}
	rounds := h.settle(t, 50)
	h.wantEven(t, "after the return")
	if h.steps > 667+334 {
		t.Errorf("the return took %d steps in %d rounds, want at most 667 replicas and 334 actives", h.steps, rounds)
	}
}

func TestScenario_ALostNodesActivesGoToManyNodes(t *testing.T) {
	t.Parallel()
	h := newHub(t, "a b c d e f g h i j", 5000)
	for _, c := range h.children {
		c.Want = 3
	}
	h.settle(t, 100)
	_, before := h.counts()
	h.lose("d")
	_, after := h.counts()
	for n, was := range before {
		if got := after[n] - was; n != "d" && (got < 30 || got > 85) {
			t.Errorf("%s took over %d of %d, want about a ninth", n, got, before["d"])
		}
	}
}

func TestScenario_AJoinMovesOnlyItsShare(t *testing.T) {
	t.Parallel()
	h := newHub(t, "a b c d", 0)
	for i := range 1000 {
		h.put(placement.Child{Name: fmt.Sprintf("single%d", i), Want: 1, Exclusive: true})
	}
	h.settle(t, 100)
	h.steps = 0
	h.nodes = append(h.nodes, placement.Node{Name: "e"})
	h.settle(t, 100)
	h.wantEven(t, "after the join")
	if h.steps != 2*200 {
		t.Errorf("%d steps, want two (start, follow) for each of 200 children", h.steps)
	}
}

func TestScenario_DrainEmptiesANode(t *testing.T) {
	t.Parallel()
	h := newHub(t, "a b c", 200)
	for i := range 100 {
		h.put(placement.Child{Name: fmt.Sprintf("single%d", i), Want: 1, Exclusive: true})
		h.put(placement.Child{Name: fmt.Sprintf("shared%d", i), Want: 1})
		h.put(placement.Child{Name: fmt.Sprintf("everywhere%d", i), Want: 3, Exclusive: i%2 == 0})
	}
	h.settle(t, 100)
	h.put(placement.Child{Name: "moved by hand", Want: 2, Exclusive: true, Pinned: true, Current: []string{"b", "a"}})
	h.node("a").Draining = true
	if n := h.repair(t); n != 0 {
		t.Errorf("the drain made Repair move %d children", n)
	}
	h.settle(t, 100)
	replicas, actives := h.counts()
	if replicas["a"] != 0 || actives["a"] != 0 {
		t.Errorf("after the drain a holds %d replicas, %d active", replicas["a"], actives["a"])
	}
	h.node("a").Draining = false
	h.settle(t, 100)
	h.wantEven(t, "after the drain was taken back")
}

func TestScenario_NodesWithoutTheKindAreNotUsed(t *testing.T) {
	t.Parallel()
	h := newHub(t, "node1 node2 node3", 60)
	for _, c := range h.children {
		c.Without = []string{"node3"}
	}
	h.settle(t, 50)
	for _, c := range h.children {
		if len(c.Current) != 2 || slices.Contains(c.Current, "node3") {
			t.Fatalf("placed on %v, expected node1 and node2", c.Current)
		}
	}
	c := h.children["child1"]
	c.Without = []string{"node1", "node2", "node3"}
	plans := placement.Repair(h.nodes, h.list())
	if len(plans) != 1 || len(plans[0].Replicas) != 0 || !strings.Contains(plans[0].Reason, "node1 does not run its kind") {
		t.Errorf("found %+v, expected that the child runs nowhere", plans)
	}
}

func TestScenario_AReplicaThatKeepsFailingIsNotMadeActive(t *testing.T) {
	t.Parallel()
	h := newHub(t, "node1 node2 node3", 300)
	h.settle(t, 50)
	var failing []string
	for _, name := range h.names {
		if c := h.children[name]; c.Current[0] == "node2" { // all that were active there are handed over
			c.Failing = []string{"node2"}
			c.Current = []string{c.Current[1], "node2"}
			failing = append(failing, name)
		}
	}
	h.settle(t, 50)
	for _, name := range failing {
		if c := h.children[name]; c.Current[0] == "node2" {
			t.Fatalf("%s is active where it keeps failing: %+v", name, *c)
		}
	}

	c := h.children[failing[0]]
	c.Want, c.Current = 3, []string{"node1", "node2", "node3"}
	c.Avoid = []string{"node1"}
	h.repair(t)
	if c.Current[0] != "node3" {
		t.Errorf("Repair passed over the replica that does not fail: %v", c.Current)
	}

	c.Avoid, c.Current = nil, []string{"node3", "node2", "node1"}
	h.node("node3").Draining = true
	h.settle(t, 50)
	if c.Current[0] != "node1" {
		t.Errorf("a drain handed over to %v, where it keeps failing on node2", c.Current)
	}

	c.Failing = []string{"node1", "node2"}
	h.node("node1").Draining = true
	h.settle(t, 50)
	if c.Current[0] != "node2" {
		t.Errorf("a drain left the child on %v: who keeps failing is better than nobody", c.Current)
	}
}
