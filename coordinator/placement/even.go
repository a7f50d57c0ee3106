package placement

import "slices"

// hop moves one item of load from a node to another.
type hop struct{ item, from, to int }

// evener finds what to move to make a load more even.
type evener struct {
	c     *cluster
	load  []int   // by node
	items [][]int // by node: what may leave it, what is best to move first
	// fits reports whether an item may go from a node to another. Once false, it stays so.
	fits   func(item, from, to int) bool
	cursor []int // by pair of nodes: items before it don't fit
}

func newEvener(c *cluster, load []int, items [][]int, fits func(item, from, to int) bool) *evener {
	return &evener{c: c, load: load, items: items, fits: fits, cursor: make([]int, len(load)*len(load))}
}

// gains reports whether moving load from u to v makes it more even.
func (e *evener) gains(u, v int) bool {
	return !e.c.nodes[u].Draining && !e.c.nodes[v].Draining && e.c.compareLoad(e.load[u], u, e.load[v]+1, v) > 0
}

// find returns the best item to move from u to v, or -1.
func (e *evener) find(u, v int) int {
	at := &e.cursor[u*len(e.load)+v]
	for ; *at < len(e.items[u]); *at++ {
		if item := e.items[u][*at]; e.fits(item, u, v) {
			return item
		}
	}
	return -1
}

// path returns hops, one after the other, that take load from a node with more to one with less and
// leave those between as they are; nil if the load can't be made more even.
func (e *evener) path() []hop {
	high, low := e.order()
	if len(high) == 0 || !e.gains(high[0], low) {
		return nil
	}
	if item := e.find(high[0], low); item >= 0 {
		return []hop{{item, high[0], low}}
	}
	for _, u := range high {
		if !e.gains(u, low) {
			return nil
		}
		if p := e.search(u); p != nil {
			return p
		}
	}
	return nil
}

// order returns the nodes that are not draining, those with the highest load first, and the one that
// takes one more with the lowest.
func (e *evener) order() (high []int, low int) {
	for i := range e.load {
		if e.c.nodes[i].Draining {
			continue
		}
		if len(high) == 0 || e.c.compareLoad(e.load[i]+1, i, e.load[low]+1, low) < 0 {
			low = i
		}
		high = append(high, i)
	}
	slices.SortStableFunc(high, func(a, b int) int { return e.c.compareLoad(e.load[b], b, e.load[a], a) })
	return high, low
}

// search returns a shortest path from u to a node that is better off with its load.
func (e *evener) search(u int) []hop {
	came := make([]*hop, len(e.load)) // the hop by which a node was reached
	came[u] = &hop{-1, u, u}
	queue := []int{u}
	for ; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for to := range e.load {
			if came[to] != nil || e.c.nodes[to].Draining {
				continue
			}
			item := e.find(from, to)
			if item < 0 {
				continue
			}
			came[to] = &hop{item, from, to}
			if e.gains(u, to) {
				return trace(came, u, to)
			}
			queue = append(queue, to)
		}
	}
	return nil
}

func trace(came []*hop, u, to int) []hop {
	var p []hop
	for ; to != u; to = came[to].from {
		p = append(p, *came[to])
	}
	slices.Reverse(p)
	return p
}
