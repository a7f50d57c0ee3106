package placement

import (
	"cmp"
	"slices"
)

// Drain returns at most budget plans, each for another child, that bring what draining nodes hold a step nearer to others. It
// may be called while other children are not ready, or fewer than wanted: these are left alone.
func Drain(nodes []Node, children []Child, budget int) []Plan {
	b := newBalancer(nodes, children, budget)
	b.finishMoves()
	b.drain()
	return b.plans
}

// drain moves what draining nodes hold to others.
func (b *balancer) drain() {
	if b.open == len(b.nodes) {
		return
	}
	for k := range b.children {
		if b.left() <= 0 {
			return
		}
		if p := b.drainingAt(k); p >= 0 && b.still[k] {
			b.drainChild(k, p)
		}
	}
}

// drainingAt returns the position of the last replica of a child that is on a draining node, or -1.
func (b *balancer) drainingAt(k int) int {
	at := b.children[k].at
	for p, n := range slices.Backward(at) {
		if b.nodes[n].Draining {
			return p
		}
	}
	return -1
}

// drainChild does the next step to get the replica at position p off its node. Passive ones go first
// (p is the last), because the active one can be handed over only to a replica elsewhere.
func (b *balancer) drainChild(k, p int) {
	h := b.children[k]
	from := b.nodes[h.at[p]].Name
	if h.Exclusive && p == 0 {
		if q := b.successor(h); q > 0 {
			b.plan(k, withFirst(h.at, q), false, from+" drains: handed over to "+b.nodes[h.at[q]].Name)
			return
		}
	}
	rest := without(h.at, p)
	to := b.pick(h, rest)
	switch {
	case to >= 0 && len(rest) == 0:
		b.plan(k, append(slices.Clone(h.at), to), true, from+" drains: moving to "+b.nodes[to].Name)
	case to >= 0:
		b.plan(k, append(rest, to), false, from+" drains: moved to "+b.nodes[to].Name)
	case slices.ContainsFunc(rest, func(i int) bool { return !b.nodes[i].Draining }):
		b.plan(k, rest, false, from+" drains: no other node may hold a replica")
	}
}

// successor returns the position of the passive replica that is best to hand over to, or 0: one that keeps failing only if there
// is no other.
func (b *balancer) successor(h *held) int {
	best := 0
	for q := 1; q < len(h.at); q++ {
		i := h.at[q]
		if b.nodes[i].Draining {
			continue
		}
		if best == 0 || cmp.Or(
			compareBool(h.failing(b.cluster, i), h.failing(b.cluster, h.at[best])),
			b.compareLoad(b.actives[i]+1, i, b.actives[h.at[best]]+1, h.at[best]),
		) < 0 {
			best = q
		}
	}
	return best
}
