package placement

import (
	"slices"
	"strconv"
)

// class says how much it takes to move a replica; the least is moved first.
type class int

const (
	passive class = iota // replaced in one step
	shared               // one of several active ones: replaced in one step
	leading              // active with a standby: handed over, and passive from then on
	alone                // gets a second one beside it, which follows
	classes
)

// classOf returns the class of the replica at position p.
func (h *held) classOf(p int) class {
	switch {
	case len(h.at) == 1:
		return alone
	case !h.Exclusive:
		return shared
	case p == 0:
		return leading
	}
	return passive
}

// evenReplicas moves replicas from nodes with many to nodes with few.
func (b *balancer) evenReplicas() {
	load := slices.Clone(b.replicas)
	e := newEvener(b.cluster, load, nil, b.mayMove)
	for b.left() > 0 {
		if e.items == nil && b.uneven(e) {
			e.items = b.movable()
		}
		if e.items == nil {
			return
		}
		p := e.path()
		if p == nil || len(p) > b.left() {
			return
		}
		b.move(e, p)
	}
}

// uneven reports whether any move could make the load more even, at little cost.
func (b *balancer) uneven(e *evener) bool {
	high, low := e.order()
	return len(high) > 0 && e.gains(high[0], low)
}

// movable lists, by node, the children with a replica on it that could be moved.
func (b *balancer) movable() [][]int {
	var lists [classes][][]int
	for cl := range lists {
		lists[cl] = make([][]int, len(b.nodes))
	}
	for k := range b.children {
		if !b.still[k] {
			continue
		}
		for p, i := range b.children[k].at {
			cl := b.children[k].classOf(p)
			lists[cl][i] = append(lists[cl][i], k)
		}
	}
	items := lists[passive]
	for i := range items {
		for cl := passive + 1; cl < classes; cl++ {
			items[i] = append(items[i], lists[cl][i]...)
		}
	}
	return items
}

// mayMove reports whether child k may have a replica on node to instead of on node from: zones must
// not get worse.
func (b *balancer) mayMove(k, from, to int) bool {
	h := b.children[k]
	if !b.still[k] || !h.fits(b.cluster, to) || slices.Contains(h.at, to) {
		return false
	}
	if b.zone[from] != b.zone[to] && b.sharing(h.at, to) >= b.sharing(h.at, from) {
		return false
	}
	if len(h.at) == 1 || !h.Exclusive || h.at[0] != from {
		return true
	}
	q := b.successor(h)
	return q > 0 && !h.failing(b.cluster, h.at[q])
}

// move plans the hops of a path. Active replicas on it are only handed over; then the path is found
// again, with passive ones.
func (b *balancer) move(e *evener, path []hop) {
	onlyLeading := slices.ContainsFunc(path, func(p hop) bool { return b.classAt(p) == leading })
	for _, p := range path {
		lead := b.classAt(p) == leading
		if lead || !onlyLeading {
			b.moveOne(e, p, lead)
		}
	}
	e.load[path[0].from]--
	e.load[path[len(path)-1].to]++
}

func (b *balancer) classAt(p hop) class {
	h := b.children[p.item]
	return h.classOf(slices.Index(h.at, p.from))
}

func (b *balancer) moveOne(e *evener, p hop, lead bool) {
	h := b.children[p.item]
	reason := "balance replicas: " + b.uneasy(e, p)
	switch q := slices.Index(h.at, p.from); {
	case lead:
		to := b.successor(h)
		b.plan(p.item, withFirst(h.at, to), false, reason+"; handed over to "+b.nodes[h.at[to]].Name+" first")
	case len(h.at) == 1:
		b.plan(p.item, []int{p.from, p.to}, true, reason)
	default:
		b.plan(p.item, append(without(h.at, q), p.to), false, reason)
	}
}

// uneasy says how uneven the load is between the ends of a hop.
func (b *balancer) uneasy(e *evener, p hop) string {
	return b.nodes[p.from].Name + " has " + strconv.Itoa(e.load[p.from]) + ", " +
		b.nodes[p.to].Name + " has " + strconv.Itoa(e.load[p.to])
}

// evenActives hands over from nodes with many active replicas to nodes with few.
func (b *balancer) evenActives() {
	e := newEvener(b.cluster, slices.Clone(b.actives), nil, b.mayLead)
	if b.left() <= 0 || !b.uneven(e) {
		return
	}
	e.items = make([][]int, len(b.nodes))
	for k := range b.children {
		if h := b.children[k]; b.still[k] && h.Exclusive && len(h.at) > 1 {
			e.items[h.at[0]] = append(e.items[h.at[0]], k)
		}
	}
	for b.left() > 0 {
		p := e.path()
		if p == nil || len(p) > b.left() {
			return
		}
		for _, s := range p {
			h := b.children[s.item]
			b.plan(s.item, withFirst(h.at, slices.Index(h.at, s.to)), false, "balance actives: "+b.uneasy(e, s))
		}
		e.load[p[0].from]--
		e.load[p[len(p)-1].to]++
	}
}

// mayLead reports whether child k may be handed over from one node to another.
func (b *balancer) mayLead(k, _, to int) bool {
	h := b.children[k]
	return b.still[k] && !b.nodes[to].Draining && slices.Contains(h.at[1:], to) && !h.failing(b.cluster, to)
}
