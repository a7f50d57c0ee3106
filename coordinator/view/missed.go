package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// unsure reports whether somebody may coordinate, or be a member, by a view that this node missed and
// can't read any more, because something else stands in its place. Whoever knows that view writes it anew; if
// nobody does, all that was granted by it ends.
func (m *Machine) unsure(v *protocol.View) bool {
	c := &m.coord
	if !m.history.unsure || m.cfg.Unsafe.UnsureAnyway {
		c.unsure = 0
		return false
	}
	if c.unsure == 0 {
		c.unsure = m.now.Mono
	}
	if m.now.Mono < c.unsure+m.settings().Authority.Std()+m.settings().Lease.Std() || !m.knowsSince(c.unsure) {
		return true // who departed in those views had been fenced before
	}
	for _, k := range m.nodes.nodes {
		if !v.Has(k.Incarnation) && k.ID != m.self.ID && k.Status.Alive() && m.now.Mono < k.Renewed+k.Lease.Std() {
			return true
		}
	}
	return m.fenceHidden(v) || slices.ContainsFunc(v.Members, func(x protocol.Member) bool {
		return m.endKnown(x.Incarnation) && m.now.Mono < m.nodes.Get(x.Node).renewed(x.Incarnation)+m.settings().Lease.Std()
	})
}

// fenceHidden fences again who was, if something was stored over the fence, and reports whether there is anybody: a coordinator
// that is not known may have vouched for a record that came after it.
func (m *Machine) fenceHidden(v *protocol.View) bool {
	hidden, due := false, m.now.Mono >= m.coord.retry
	for _, x := range v.Members {
		k := m.nodes.Get(x.Node)
		if x.Incarnation == v.Coordinator || k == nil || k.ID != x.ID || k.Status != protocol.Lost || m.nodes.bad[x.Node] == "" {
			continue
		}
		hidden = true
		if !due {
			continue
		}
		m.coord.retry = m.now.Mono + rankStep
		reason := "its fence was overwritten"
		m.noteWrite("fencing %s again: %s", x.Node, reason)
		m.do(WriteNode{Record: m.fenceOf(x.Incarnation, k.NodeRecord, reason), Last: m.nodes.Revision(x.Node)})
	}
	return hidden
}

// endKnown reports whether an incarnation that was a member is known to have been fenced, or to have left.
func (m *Machine) endKnown(in protocol.Incarnation) bool {
	k := m.nodes.Get(in.Node)
	return k != nil && (k.ID == in.ID && !k.Status.Alive() || k.ID != in.ID && m.nodes.bad[in.Node] == "" && m.knowsSince(m.coord.since))
}

// departMissed takes out of a view that follows on missed ones who may have departed in those: whoever followed them
// then did so by an epoch that nobody knows any more, and that must not be gone below. A member that was removed had been
// fenced before. Who became a member in a missed view is known by the entries of those only.
func (m *Machine) departMissed(next *protocol.View, known uint64) {
	const why = "node_lost"
	for _, x := range slices.Clone(next.Members) {
		if x.Incarnation != m.self && m.endKnown(x.Incarnation) {
			depart(next, x.Incarnation, why, true)
		}
	}
	for _, e := range m.history.awaited() {
		for _, r := range e.Replicas {
			if x := next.Member(r.Node); e.View > known && (x == nil || x.Since > e.View) && !tellsOf(next, r.Node, e.View) {
				in := protocol.Incarnation{Node: r.Node, ID: "unknown"}
				next.Gone = append(next.Gone, protocol.Departure{Incarnation: in, Since: known + 1, Until: next.Number, Reason: why, Hung: true})
			}
		}
	}
}

// tellsOf reports whether a view tells of the departure of the incarnation that a node had at another one.
func tellsOf(v *protocol.View, node string, at uint64) bool {
	return slices.ContainsFunc(v.Gone, func(d protocol.Departure) bool { return d.Node == node && d.Since <= at && at < d.Until })
}
