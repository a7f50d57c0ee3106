package placement

import (
	"slices"
	"strconv"
)

// Balance returns at most budget plans, each for another child, that bring the hub nearer to an even
// load; none if it can't be more even by paths of at most budget moves. It must only be called when
// Repair returns nothing and all replicas are ready; children that are not are left alone. A step:
//
//   - replaces a passive replica, or one of several active ones, by a new one that comes last;
//   - hands over to a ready passive replica, which changes places with the active one;
//   - gives a child with one replica a second one on the node it is to move to (Moving), and when that
//     is ready lets it follow: see the package comment.
func Balance(nodes []Node, children []Child, budget int) []Plan {
	b := newBalancer(nodes, children, budget)
	b.finishMoves()
	b.drain()
	b.leavePinned()
	b.spreadZones()
	b.evenReplicas()
	if len(b.plans) == 0 {
		b.evenActives()
	}
	return b.plans
}

// balancer makes the plans of one call of Balance.
type balancer struct {
	*cluster
	children []*held // sorted by name
	still    []bool  // by child: it may be given a plan
	plans    []Plan
	budget   int
}

func newBalancer(nodes []Node, children []Child, budget int) *balancer {
	b := &balancer{cluster: newCluster(nodes), budget: budget}
	b.children = make([]*held, len(children))
	for i := range children {
		h := b.hold(&children[i])
		b.children[i] = &h
	}
	sortByName(b.children)
	b.still = make([]bool, len(children))
	for i, h := range b.children {
		b.still[i] = len(h.at) > 0 && len(h.Unready) == 0 && len(h.at) <= h.target && h.complete(b.cluster)
		b.load(h.settled(), h.Exclusive, 1)
	}
	return b
}

// leavePinned has the steps that follow leave those children where they are that somebody put there.
func (b *balancer) leavePinned() {
	for k, h := range b.children {
		b.still[k] = b.still[k] && !h.Pinned
	}
}

// settled returns where h will be when the move that is under way is done.
func (h *held) settled() []int {
	switch {
	case h.moving():
		return withFirst(h.at, len(h.at)-1)[:h.target]
	case len(h.at) > h.target:
		return h.at[:h.target]
	}
	return h.at
}

func (b *balancer) left() int { return b.budget - len(b.plans) }

// plan gives child k a new order. The loads follow, but h.at stays: it is what the caller knows.
func (b *balancer) plan(k int, order []int, moving bool, reason string) {
	h := b.children[k]
	after := held{Child: &Child{Moving: moving}, at: order, target: h.target}
	b.load(h.settled(), h.Exclusive, -1)
	b.load(after.settled(), h.Exclusive, 1)
	b.still[k] = false
	b.plans = append(b.plans, Plan{Child: h.Name, Replicas: b.names(order), Moving: moving, Reason: reason})
}

// finishMoves lets replicas that were started for a move follow.
func (b *balancer) finishMoves() {
	for k := range b.children {
		h := b.children[k]
		if b.left() <= 0 {
			return
		}
		if !h.moving() || len(h.Unready) > 0 || !h.complete(b.cluster) {
			continue
		}
		last := len(h.at) - 1
		order := withFirst(h.at, last)
		reason := "moved from " + b.nodes[h.at[0]].Name + " to " + b.nodes[h.at[last]].Name + ", which is ready"
		if !h.Exclusive {
			order = order[:last]
		}
		b.plan(k, order, false, reason)
	}
}

// spreadZones moves replicas that share a zone to zones with fewer.
func (b *balancer) spreadZones() {
	if b.zones < 2 {
		return
	}
	for k := range b.children {
		if b.left() <= 0 {
			return
		}
		if b.still[k] && len(b.children[k].at) > 1 {
			b.spreadChild(k)
		}
	}
}

func (b *balancer) spreadChild(k int) {
	h := b.children[k]
	worst, most := -1, 1
	for p, i := range h.at {
		n := b.sharing(h.at, i)
		if p == 0 && h.Exclusive || n < most || n < 2 {
			continue
		}
		if worst < 0 || n > most || b.compareLoad(b.replicas[i], i, b.replicas[h.at[worst]], h.at[worst]) > 0 {
			worst, most = p, n
		}
	}
	if worst < 0 {
		return
	}
	rest := without(h.at, worst)
	to := b.pick(h, rest)
	if to < 0 || slices.Contains(h.at, to) || b.sharing(rest, to)+1 >= most {
		return
	}
	b.plan(k, append(rest, to), false, "zone "+strconv.Quote(b.nodes[h.at[worst]].Zone)+" had "+strconv.Itoa(most)+
		" replicas: moved from "+b.nodes[h.at[worst]].Name+" to "+b.nodes[to].Name)
}
