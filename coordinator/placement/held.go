package placement

import (
	"slices"
	"strings"
)

// held is a child with its placement as numbers of nodes.
type held struct {
	*Child
	at     []int // where it is, in promotion order, less what must go: unknown, avoided, named twice
	avoid  []int
	target int // replicas that it can have
}

// hold looks a child's nodes up.
func (c *cluster) hold(ch *Child) held {
	h := held{Child: ch}
	for _, list := range [][]string{ch.Avoid, ch.Without} {
		for _, name := range list {
			if i, ok := c.index[name]; ok && !slices.Contains(h.avoid, i) {
				h.avoid = append(h.avoid, i)
			}
		}
	}
	start, draining := len(c.arena), 0
	for _, name := range ch.Current {
		i, ok := c.index[name]
		if !ok || slices.Contains(h.avoid, i) || slices.Contains(c.arena[start:], i) {
			continue
		}
		c.arena = append(c.arena, i)
		if c.nodes[i].Draining {
			draining++
		}
	}
	h.at = c.arena[start:len(c.arena):len(c.arena)]
	h.target = min(max(ch.Want, 1), h.openNodes(c)+draining)
	return h
}

// openNodes returns how many nodes may get a replica, or have one that may stay.
func (h *held) openNodes(c *cluster) int {
	n := c.open
	for _, i := range h.avoid {
		if !c.nodes[i].Draining {
			n--
		}
	}
	return n
}

// fits reports whether node i may get a replica, as far as i itself goes.
func (h *held) fits(c *cluster, i int) bool {
	return !c.nodes[i].Draining && !slices.Contains(h.avoid, i)
}

// surplus reports whether there are more replicas than may stay.
func (h *held) surplus() bool { return len(h.at) > h.target && !h.moving() }

// moving reports whether the last replica is there to follow the first.
func (h *held) moving() bool { return h.Moving && len(h.at) == h.target+1 }

// complete reports whether there is nothing to repair.
func (h *held) complete(c *cluster) bool {
	if len(h.at) != len(h.Current) || len(h.at) < h.target {
		return false
	}
	return !h.surplus() || !h.mayDrop(c, h.at[0])
}

// mayDrop reports whether what is too much may go now: the replica that was active before may be the
// only one that serves, until the one that is now first is ready.
func (h *held) mayDrop(c *cluster, first int) bool { return !h.Exclusive || h.ready(c, first) }

func (h *held) ready(c *cluster, i int) bool { return !slices.Contains(h.Unready, c.nodes[i].Name) }

func (h *held) failing(c *cluster, i int) bool { return slices.Contains(h.Failing, c.nodes[i].Name) }

// without returns a copy of order that lacks the element at k, with room for one more.
func without(order []int, k int) []int {
	o := make([]int, 0, len(order)+1)
	return append(append(o, order[:k]...), order[k+1:]...)
}

// withFirst returns a copy of order in which the element at k and the first have changed places.
func withFirst(order []int, k int) []int {
	o := slices.Clone(order)
	o[0], o[k] = o[k], o[0]
	return o
}

// sortByName sorts children by name; often they are sorted already.
func sortByName(hs []*held) {
	byName := func(a, b *held) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(hs, byName) {
		slices.SortStableFunc(hs, byName)
	}
}
