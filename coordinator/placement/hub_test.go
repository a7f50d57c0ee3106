package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

// hub carries plans out, as the coordinator does, and checks each of them.
type hub struct {
	nodes    []placement.Node
	children map[string]*placement.Child
	names    []string
	steps    int // plans of Balance carried out
}

// newHub returns a hub with n children of two replicas, not placed yet.
func newHub(t *testing.T, nodes string, n int) *hub {
	t.Helper()
	h := &hub{nodes: parseNodes(t, nodes), children: map[string]*placement.Child{}}
	for i := range n {
		h.put(placement.Child{Name: fmt.Sprintf("child%d", i+1), Want: 2, Exclusive: true})
	}
	return h
}

func (h *hub) put(c placement.Child) {
	h.children[c.Name] = &c
	h.names = append(h.names, c.Name)
}

func (h *hub) list() []placement.Child {
	var list []placement.Child
	for _, name := range h.names {
		list = append(list, *h.children[name])
	}
	return list
}

func (h *hub) node(name string) *placement.Node {
	i := slices.IndexFunc(h.nodes, func(n placement.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &h.nodes[i]
}

// lose takes a node out, and its replicas.
func (h *hub) lose(name string) {
	h.nodes = slices.DeleteFunc(h.nodes, func(n placement.Node) bool { return n.Name == name })
	for _, c := range h.children {
		c.Current = slices.DeleteFunc(slices.Clone(c.Current), func(n string) bool { return n == name })
	}
}

// repair carries Repair's plans out; everything is ready at once. A second call must return nothing.
func (h *hub) repair(t *testing.T) int {
	t.Helper()
	plans := placement.Repair(h.nodes, h.list())
	for _, p := range plans {
		h.checkRepair(t, p)
		h.apply(p)
	}
	if again := placement.Repair(h.nodes, h.list()); len(again) > 0 {
		t.Fatalf("Repair is not done after one call:\n%sof\n%+v", show(again), h.children[again[0].Child])
	}
	return len(plans)
}

func (h *hub) apply(p placement.Plan) {
	c := h.children[p.Child]
	c.Current, c.Moving, c.Unready = p.Replicas, p.Moving, nil
}

// checkPlan fails if a plan names a node that may not get a replica.
func (h *hub) checkPlan(t *testing.T, p placement.Plan) {
	t.Helper()
	c := h.children[p.Child]
	for k, name := range p.Replicas {
		n := h.node(name)
		switch {
		case n == nil, slices.Contains(c.Avoid, name), slices.Contains(p.Replicas[:k], name):
			t.Fatalf("%+v\ngot a plan with %q: %+v", *c, name, p)
		case n.Draining && !slices.Contains(c.Current, name):
			t.Fatalf("%+v\ngot a replica on a draining node: %+v", *c, p)
		}
	}
	if p.Reason == "" || slices.Equal(p.Replicas, c.Current) && p.Moving == c.Moving {
		t.Fatalf("%+v\ngot a plan without a reason or a change: %+v", *c, p)
	}
}

func (h *hub) checkRepair(t *testing.T, p placement.Plan) {
	t.Helper()
	h.checkPlan(t, p)
	c := h.children[p.Child]
	if !c.Exclusive || len(c.Current) == 0 {
		return
	}
	first := c.Current[0]
	if h.node(first) != nil && !slices.Contains(c.Avoid, first) && p.Replicas[0] != first {
		t.Fatalf("%+v\nRepair moved the active replica: %+v", *c, p)
	}
}

// checkBalance fails if a step would leave a child without a ready replica that serves, or a standby
// that is not ready in the lead.
func (h *hub) checkBalance(t *testing.T, p placement.Plan) {
	t.Helper()
	h.checkPlan(t, p)
	c := h.children[p.Child]
	if !slices.Contains(c.Current, p.Replicas[0]) {
		t.Fatalf("%+v\nBalance put a replica first that does not run yet: %+v", *c, p)
	}
	if c.Exclusive && p.Replicas[0] != c.Current[0] && !slices.Contains(p.Replicas, c.Current[0]) {
		t.Fatalf("%+v\nBalance dropped the active replica in the step of its handover: %+v", *c, p)
	}
}

// settle calls Repair and Balance until neither returns a plan, and returns the number of rounds.
func (h *hub) settle(t *testing.T, budget int) int {
	t.Helper()
	limit := 100 + 20*len(h.names)
	for round := range limit {
		h.repair(t)
		plans := placement.Balance(h.nodes, h.list(), budget)
		if len(plans) == 0 {
			return round
		}
		if len(plans) > budget {
			t.Fatalf("%d plans with a budget of %d", len(plans), budget)
		}
		for _, p := range plans {
			h.checkBalance(t, p)
			h.apply(p)
		}
		h.steps += len(plans)
	}
	t.Fatalf("not settled after %d rounds: nodes %+v", limit, h.nodes)
	return 0
}

// counts returns the replicas and the active ones of each node.
func (h *hub) counts() (replicas, actives map[string]int) {
	replicas, actives = map[string]int{}, map[string]int{}
	for _, n := range h.nodes {
		replicas[n.Name], actives[n.Name] = 0, 0
	}
	for _, c := range h.children {
		for k, name := range c.Current {
			replicas[name]++
			if k == 0 || !c.Exclusive {
				actives[name]++
			}
		}
	}
	return replicas, actives
}

func spread(m map[string]int) int {
	low, high, first := 0, 0, true
	for _, v := range m {
		if first {
			low, high, first = v, v, false
		}
		low, high = min(low, v), max(high, v)
	}
	return high - low
}
