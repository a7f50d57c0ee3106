package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// connReported asks at once for a connection that is said to be closed, if anything rests on it. It is
// asked no more often than any suspect is, however many say so.
func (m *Machine) connReported(c protocol.Conn) {
	if m.conn == nil || c == *m.conn {
		return
	}
	if m.lead == nil {
		if m.rank() < deputies && slices.Contains(m.coord.conns(), c) {
			m.coord.suspect = true
			m.coord.asking.hurry()
		}
		return // the step goes on with the question
	}
	for _, node := range sortedKeys(m.lead.peers) {
		if p := m.lead.peers[node]; slices.Contains(m.connsOf(p), c) {
			p.suspect, p.closed[c] = true, p.closed[c] || m.cfg.Unsafe.ReportProves
			p.asking.hurry()
			m.askPeer(p)
		}
	}
}
