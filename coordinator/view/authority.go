package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// authority reports whether this node may grant leases: its own is trusted.
func (m *Machine) authority() bool {
	return m.lead != nil && m.conn != nil && !m.leaving && m.now.Mono < m.backed() && (!m.lead.resign.sent || m.cfg.Unsafe.GrantResigned) &&
		(m.key.fresh || m.confirmed() || m.cfg.Unsafe.NoConfirm)
}

// confirmed reports whether every other member knows this coordinator's present connection. Until its
// own record says it, the closing of the one before could be taken as its end; not by those who
// confirmed. So the crash of the NATS server that led the nodes bucket, and had this connection, does
// not stop the hub for as long as the bucket has no leader. Who became a member by a commit that it does
// not know the outcome of must have confirmed as well.
func (m *Machine) confirmed() bool {
	ok := m.confirmedBy(m.history.View().Members)
	for _, members := range m.lead.proposed {
		ok = ok && (m.confirmedBy(members) || m.cfg.Unsafe.ConfirmKnown)
	}
	return ok
}

func (m *Machine) confirmedBy(members []protocol.Member) bool {
	others := 0
	for _, x := range members {
		if x.Incarnation == m.self {
			continue
		}
		others++
		if p := m.lead.peers[x.Node]; p == nil || p.in != x.Incarnation || p.confirm != *m.conn {
			return false
		}
	}
	return others > 0
}

// mayHave reports whether an incarnation is a member of the present view, or of one that may have been
// committed since.
func (m *Machine) mayHave(x protocol.Incarnation) bool {
	return m.history.View().Has(x) || slices.ContainsFunc(m.lead.proposed, func(members []protocol.Member) bool {
		return slices.ContainsFunc(members, func(y protocol.Member) bool { return y.Incarnation == x })
	})
}

// wakeEvery is the least time between two calls for a heartbeat.
const wakeEvery = 20 * time.Millisecond

// wakePeers asks those members for a heartbeat who have not confirmed this connection, while its own
// record can't say it: see confirmed.
func (m *Machine) wakePeers() {
	l := m.lead
	if m.key.fresh || m.now.Mono-l.woke < wakeEvery {
		return
	}
	l.woke = m.now.Mono
	for _, node := range sortedKeys(l.peers) {
		if p := l.peers[node]; m.mayHave(p.in) && p.confirm != *m.conn {
			m.do(Wake{Node: node})
		}
	}
}
