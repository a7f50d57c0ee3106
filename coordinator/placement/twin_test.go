package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/phub-io/phub/coordinator/placement"
)

// The dumb twin tries every placement of a small hub, and says how even the best one is. Balance must
// end as even, in the sum of n*n/capacity, for replicas, and, with the replicas where they are, for
// actives.

// cost is the sum over nodes of load*(load+capacity)/capacity, times a common multiple of capacities:
// it falls exactly when a move makes the load more even.
func cost(nodes []placement.Node, load []int) int {
	const common = 12
	sum := 0
	for i, n := range nodes {
		c := max(n.Capacity, 1)
		sum += load[i] * (load[i] + 1) * common / c
	}
	return sum
}

// best returns the least cost of load that comes from one choice for each child.
func best(nodes []placement.Node, choices [][][]int, load []int) int {
	if len(choices) == 0 {
		return cost(nodes, load)
	}
	least := -1
	for _, set := range choices[0] {
		for _, i := range set {
			load[i]++
		}
		if c := best(nodes, choices[1:], load); least < 0 || c < least {
			least = c
		}
		for _, i := range set {
			load[i]--
		}
	}
	return least
}

// subsets returns the sets of k of the nodes on which c may be.
func subsets(nodes []placement.Node, c *placement.Child, k int) [][]int {
	var all [][]int
	for bits := range 1 << len(nodes) {
		var set []int
		for i, n := range nodes {
			if bits>>i&1 == 1 && !slices.Contains(c.Avoid, n.Name) {
				set = append(set, i)
			} else if bits>>i&1 == 1 {
				set = nil
				break
			}
		}
		if len(set) == k {
			all = append(all, set)
		}
	}
	return all
}

func (h *hub) compareWithTwin(t *testing.T, seed uint64) {
	t.Helper()
	replicas, actives := h.counts()
	var loads [2][]int
	for _, n := range h.nodes {
		loads[0], loads[1] = append(loads[0], replicas[n.Name]), append(loads[1], actives[n.Name])
	}
	var where, leads [][][]int
	for _, name := range h.names {
		c := h.children[name]
		if len(c.Current) == 0 {
			continue // it must avoid all nodes
		}
		where = append(where, subsets(h.nodes, c, len(c.Current)))
		var at []int
		var lead [][]int
		for _, n := range c.Current {
			i := slices.IndexFunc(h.nodes, func(o placement.Node) bool { return o.Name == n })
			at, lead = append(at, i), append(lead, []int{i})
		}
		if !c.Exclusive {
			lead = [][]int{at}
		}
		leads = append(leads, lead)
	}
	for k, choices := range [][][][]int{where, leads} {
		got, want := cost(h.nodes, loads[k]), best(h.nodes, choices, make([]int, len(h.nodes)))
		if got != want {
			t.Errorf("seed %d: %s %v cost %d, the best placement costs %d\n%+v\n%+v",
				seed, []string{"replicas", "actives"}[k], loads[k], got, want, h.nodes, h.list())
		}
	}
}

func TestTwin_BalanceEndsAsEvenAsTheBestOfAllPlacements(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 4))
		h := &hub{children: map[string]*placement.Child{}}
		for i := range 2 + r.IntN(3) {
			h.nodes = append(h.nodes, placement.Node{Name: fmt.Sprintf("n%d", i), Capacity: r.IntN(4)})
		}
		for i := range 1 + r.IntN(6) {
			c := placement.Child{Name: fmt.Sprintf("k%d", i), Want: 1 + r.IntN(3), Exclusive: r.IntN(4) > 0}
			c.Current = pickSome(r, h.nodes, r.IntN(3))
			c.Avoid = pickSome(r, h.nodes, r.IntN(2))
			h.put(c)
		}
		h.settle(t, 10)
		h.compareWithTwin(t, seed)
	}
}
