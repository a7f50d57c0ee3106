package placement

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Repair returns a plan for each child whose present placement is not what it needs: too few or too
// many replicas, or one on a node that is avoided, does not run its kind, or is no longer listed. Plans are sorted by child.
//
// The active replica of an exclusive child stays where it is unless its node is avoided or unknown;
// then the first ready one follows, of those that don't keep failing if there is one. What stays keeps its order, new replicas come last, and nothing
// new goes to a draining node. One replica more than wanted is left alone while the child is Moving,
// or while its first replica is not ready.
func Repair(nodes []Node, children []Child) []Plan {
	c := newCluster(nodes)
	var broken []*held
	for i := range children {
		h := c.hold(&children[i])
		c.load(h.at, h.Exclusive, 1)
		if !h.complete(c) {
			broken = append(broken, &h)
		}
	}
	sortByName(broken)
	plans := make([]Plan, 0, len(broken))
	for _, h := range broken {
		plans = append(plans, c.repair(h))
	}
	return plans
}

func (c *cluster) repair(h *held) Plan {
	c.load(h.at, h.Exclusive, -1)
	order := c.promote(h)
	c.load(order, h.Exclusive, 1)
	why := c.reasonLost(h, make([]string, 0, 2))
	kept := len(order)
	for len(order) < h.target {
		order = c.add(h, order)
	}
	if kept == 0 {
		order = c.arrange(h, order)
	}
	why = c.reasonAdded(h, why, order, kept)
	for len(order) > h.target && !h.moving() && h.mayDrop(c, order[0]) {
		var dropped int
		order, dropped = c.drop(h, order)
		why = append(why, "one replica too many: dropped on "+c.nodes[dropped].Name)
	}
	return Plan{
		Child: h.Name, Replicas: c.names(order), Reason: strings.Join(why, "; "),
		Moving: h.moving() && len(order) == h.target+1,
	}
}

// promote returns what stays of h, with the first ready replica first if the active one must go.
func (c *cluster) promote(h *held) []int {
	order := append(make([]int, 0, max(h.target, len(h.at))), h.at...)
	if !h.Exclusive || len(order) == 0 || c.nodes[order[0]].Name == h.Current[0] {
		return order
	}
	k := slices.IndexFunc(order, func(i int) bool { return h.ready(c, i) && !h.failing(c, i) })
	if k < 0 {
		k = slices.IndexFunc(order, func(i int) bool { return h.ready(c, i) })
	}
	if k <= 0 {
		return order
	}
	return slices.Insert(without(order, k), 0, order[k])
}

// add appends the best node for one more replica, which exists: see held.target.
func (c *cluster) add(h *held, order []int) []int {
	i := c.pick(h, order)
	c.replicas[i]++
	if len(order) == 0 || !h.Exclusive {
		c.actives[i]++
	}
	return append(order, i)
}

// arrange orders the replicas of a child that had none: the one with the fewest actives first, the
// others by hash, so that a node's actives are followed by many nodes.
func (c *cluster) arrange(h *held, order []int) []int {
	c.load(order, h.Exclusive, -1)
	key := hashName(h.Name)
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(mix(key^c.hash[b]), mix(key^c.hash[a])), cmp.Compare(a, b))
	})
	first := 0
	for k := 1; h.Exclusive && k < len(order); k++ {
		if c.compareLoad(c.actives[order[k]]+1, order[k], c.actives[order[first]]+1, order[first]) < 0 {
			first = k
		}
	}
	if first > 0 {
		order = slices.Insert(without(order, first), 0, order[first])
	}
	c.load(order, h.Exclusive, 1)
	return order
}

// drop takes one replica out: on a draining node, not ready, sharing its zone, on the node with the
// highest load, last in the order. The active one of an exclusive child stays.
func (c *cluster) drop(h *held, order []int) ([]int, int) {
	worst := len(order) - 1
	for k := len(order) - 2; k >= 0 && (k > 0 || !h.Exclusive); k-- {
		if c.compareDrop(h, order, order[k], order[worst]) > 0 {
			worst = k
		}
	}
	i := order[worst]
	c.load(order, h.Exclusive, -1)
	order = without(order, worst)
	c.load(order, h.Exclusive, 1)
	return order, i
}

func (c *cluster) compareDrop(h *held, order []int, a, b int) int {
	return cmp.Or(
		compareBool(c.nodes[a].Draining, c.nodes[b].Draining),
		compareBool(!h.ready(c, a), !h.ready(c, b)),
		cmp.Compare(c.sharing(order, a), c.sharing(order, b)),
		c.compareLoad(c.replicas[a], a, c.replicas[b], b),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// reasonLost says which replicas are gone.
func (c *cluster) reasonLost(h *held, why []string) []string {
	for _, name := range h.Current {
		if i, ok := c.index[name]; !ok {
			why = append(why, "replica lost with "+name)
		} else if slices.Contains(h.Without, name) {
			why = append(why, name+" does not run its kind")
		} else if slices.Contains(h.avoid, i) {
			why = append(why, "replica given up on "+name)
		}
	}
	return why
}

// reasonAdded says why the replicas after the first kept ones are where they are.
func (c *cluster) reasonAdded(h *held, why []string, order []int, kept int) []string {
	switch {
	case len(order) == 0:
		return append(why, "no node is left that may hold it")
	case len(order) == kept:
		return why
	case kept == 0:
		return append(why, "placed on "+strings.Join(c.names(order), ", ")+": fewest active replicas first")
	case len(why) == 0:
		why = append(why, strconv.Itoa(len(order)-kept)+" of "+strconv.Itoa(h.target)+" replicas missing")
	}
	for _, i := range order[kept:] {
		why = append(why, "added on "+c.nodes[i].Name+": fewest replicas ("+strconv.Itoa(c.replicas[i]-1)+")")
	}
	return why
}
