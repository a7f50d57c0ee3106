package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// decideMembers commits a view without the nodes that are over and with those that may join.
func (m *Machine) decideMembers() bool {
	v := m.history.View()
	var out []*peer
	var in []*peer
	for _, node := range sortedKeys(m.lead.peers) {
		p := m.lead.peers[node]
		switch {
		case v.Has(p.in):
			if m.over(p) {
				out = append(out, p)
			}
		case p.fence == fenced, m.supplanted(p):
			delete(m.lead.peers, node)
		case m.mayAdmit(v, p):
			in = append(in, p)
		}
	}
	if len(out) == 0 && m.now.Mono < m.lead.admitted+m.beyond()*admitShare {
		in = nil // those that join meanwhile are admitted with them
	}
	itself := !v.Has(m.self) && m.nameFree(v, m.self.Node)
	drains := m.drainChanges(v)
	if len(out)+len(in)+len(drains) == 0 && !itself {
		return false
	}
	if len(in) > 0 {
		m.lead.admitted = m.now.Mono
	}
	m.commit(m.membersReason(out, in), nil, func(next *protocol.View) {
		setDraining(next, drains)
		for _, p := range out {
			depart(next, p.in, m.departReason(p), !m.closed(p) && !m.leftInOrder(p))
		}
		for _, p := range in {
			m.admit(next, protocol.Member{Incarnation: p.in, Labels: p.member.Labels, Capacity: p.member.Capacity, Kinds: p.member.Kinds})
		}
		if itself { // an earlier incarnation was still a member when this one took over
			m.admit(next, m.selfMember())
		}
	})
	return true
}

// admitShare is each node's share of the time between two views that only admit nodes: all nodes read each of them.
const admitShare = 5 * time.Millisecond

// supplanted reports whether a node that asked to join has made way for another incarnation of its
// name, or has given up: it holds no lease, so nothing is to be waited for.
func (m *Machine) supplanted(p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	if k == nil { // it never had a record that was seen here, or that is gone
		return m.now.Mono-p.heard > m.settings().Lease.Std()
	}
	return k.ID != p.in.ID && (k.Status.Alive() || m.now.Mono-p.heard > m.settings().Lease.Std())
}

// mayAdmit reports whether a node may join: its record is its own, and nothing is left of an earlier
// incarnation of its name.
func (m *Machine) mayAdmit(v *protocol.View, p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	if p.fence != unfenced || k == nil || k.ID != p.in.ID || !k.Status.Alive() || !m.nameFree(v, p.in.Node) {
		return false
	}
	return m.silence(p.heard) < m.settings().Lease.Std()
}

// nameFree reports whether nobody of that name is a member, and nothing is left of who was one.
func (m *Machine) nameFree(v *protocol.View, node string) bool {
	return v.Member(node) == nil && (m.cfg.Unsafe.ReuseNames || !slices.ContainsFunc(v.Gone, func(d protocol.Departure) bool { return d.Node == node }))
}

func (m *Machine) departReason(p *peer) string {
	if k := m.nodes.Get(p.in.Node); k != nil && k.ID == p.in.ID && k.Status == protocol.Left {
		return "node_left"
	}
	return "node_lost"
}

func (m *Machine) membersReason(out, in []*peer) string {
	switch {
	case len(out) > 0:
		return m.departReason(out[0])
	case len(in) > 0 || !m.Member():
		return "node_joined"
	}
	return "drain"
}

func (m *Machine) leadMembers(c Commit) {
	if sameMembers(c.Before, c.After) {
		return
	}
	l := m.lead
	for _, x := range c.After.Members {
		if p := l.peers[x.Node]; x.Incarnation != m.self && (p == nil || p.in != x.Incarnation) {
			l.peers[x.Node] = m.newPeer(x.Incarnation, x)
		} else if p != nil && !c.Before.Has(x.Incarnation) {
			p.seen = m.now.Mono
		}
	}
	for _, node := range sortedKeys(l.peers) {
		p := l.peers[node]
		if c.Before.Has(p.in) && !c.After.Has(p.in) {
			delete(l.peers, node)
		}
	}
}
