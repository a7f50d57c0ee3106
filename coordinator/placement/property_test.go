package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

const seeds = 300

// pickSome returns up to n of the nodes' names.
func pickSome(r *rand.Rand, nodes []placement.Node, n int) []string {
	var names []string
	for _, i := range r.Perm(len(nodes)) {
		if len(names) < n {
			names = append(names, nodes[i].Name)
		}
	}
	return names
}

// randomHub returns a hub in a state that no sane coordinator would leave.
func randomHub(r *rand.Rand) *hub {
	h := &hub{children: map[string]*placement.Child{}}
	zones, capacities := 1+r.IntN(3), 1+r.IntN(3)
	for i := range 1 + r.IntN(7) {
		h.nodes = append(h.nodes, placement.Node{
			Name: fmt.Sprintf("n%d", i), Zone: fmt.Sprintf("z%d", r.IntN(zones)),
			Capacity: r.IntN(capacities + 1), Draining: r.IntN(8) == 0,
		})
	}
	for i := range r.IntN(40) {
		c := placement.Child{Name: fmt.Sprintf("k%d", i), Want: r.IntN(5), Exclusive: r.IntN(3) > 0, Moving: r.IntN(4) == 0}
		c.Current = pickSome(r, h.nodes, r.IntN(5))
		if r.IntN(6) == 0 {
			c.Current = append(c.Current, "gone")
		}
		if r.IntN(6) == 0 {
			c.Avoid = pickSome(r, h.nodes, 1+r.IntN(2))
		}
		c.Unready = pickSome(r, h.nodes, r.IntN(3))
		h.put(c)
	}
	return h
}

func TestProperty_RepairThenBalanceEndsAndKeepsTheRules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := randomHub(r)
		h.repairOnce(t)
		for _, c := range h.children {
			c.Unready = nil
		}
		h.settle(t, 1+r.IntN(20))
		h.checkRest(t, seed)
	}
}

// repairOnce carries Repair's plans out while replicas are not ready.
func (h *hub) repairOnce(t *testing.T) {
	t.Helper()
	for _, p := range placement.Repair(h.nodes, h.list()) {
		h.checkRepair(t, p)
		h.apply(p)
	}
}

// checkRest checks a hub at rest: counts, zones, draining nodes, and that nobody is better off by one move.
func (h *hub) checkRest(t *testing.T, seed uint64) {
	t.Helper()
	for _, c := range h.children {
		usable, others := 0, 0
		for _, n := range h.nodes {
			if slices.Contains(c.Avoid, n.Name) {
				continue
			}
			usable++
			if !n.Draining {
				others++
			}
		}
		want := min(max(c.Want, 1), others)
		if others == 0 {
			want = min(len(c.Current), usable) // what is left on draining nodes stays
		}
		if len(c.Current) != want {
			t.Errorf("seed %d: %+v at rest with %d replicas, want %d of %+v", seed, *c, len(c.Current), want, h.nodes)
		}
		for _, name := range c.Current {
			if others > 0 && h.node(name).Draining {
				t.Errorf("seed %d: %+v at rest on the draining node %q", seed, *c, name)
			}
		}
		h.checkZones(t, seed, c)
	}
}

// checkZones fails if two replicas share a zone while another has a node but no replica.
func (h *hub) checkZones(t *testing.T, seed uint64, c *placement.Child) {
	t.Helper()
	use := map[string]int{}
	for _, name := range c.Current {
		use[h.node(name).Zone]++
	}
	most := 0
	for _, n := range use {
		most = max(most, n)
	}
	for _, n := range h.nodes {
		if !n.Draining && !slices.Contains(c.Avoid, n.Name) && use[n.Zone] == 0 && most > 1 {
			t.Errorf("seed %d: %+v shares a zone while %q has no replica in its", seed, *c, n.Name)
		}
	}
}

func TestProperty_EqualNodesEndUpEven(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 2))
		h := &hub{children: map[string]*placement.Child{}}
		for i := range 2 + r.IntN(6) {
			h.nodes = append(h.nodes, placement.Node{Name: fmt.Sprintf("n%d", i)})
		}
		want, exclusive := 1+r.IntN(3), r.IntN(2) == 0
		favoured := h.nodes[:1+r.IntN(len(h.nodes))]
		for i := range r.IntN(60) {
			h.put(placement.Child{Name: fmt.Sprintf("k%d", i), Want: want, Exclusive: exclusive, Current: pickSome(r, favoured, want)})
		}
		h.settle(t, 5+r.IntN(20))
		h.wantEven(t, fmt.Sprintf("seed %d: want %d", seed, want))
	}
}

func TestProperty_NodesComeAndGo(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		h := newHub(t, "a b c d e", 120)
		spare := []placement.Node{{Name: "f"}, {Name: "g"}}
		for range 12 {
			i := r.IntN(len(h.nodes))
			switch n := h.nodes[i]; {
			case r.IntN(3) == 0 && len(spare) > 0:
				h.nodes, spare = append(slices.Clone(h.nodes), spare[0]), spare[1:]
			case r.IntN(2) == 0 && len(h.nodes) > 3:
				h.lose(n.Name)
				spare = append(spare, placement.Node{Name: n.Name})
			default:
				h.nodes = slices.Clone(h.nodes)
				h.nodes[i].Draining = !h.nodes[i].Draining
			}
			h.repair(t)
			for range r.IntN(4) { // and the next change comes before all is even
				for _, p := range placement.Balance(h.nodes, h.list(), 10) {
					h.checkBalance(t, p)
					h.apply(p)
				}
				h.repair(t)
			}
		}
		for i := range h.nodes {
			h.nodes[i].Draining = false
		}
		h.settle(t, 10)
		h.wantEven(t, fmt.Sprintf("seed %d", seed))
		h.checkRest(t, seed)
	}
}
