package view

import "github.com/phub-io/phub/protocol"

// transfer is how far this node is on its way from one connection to another, before the server of the first one closes it.
//
//	one connection --Beside--> the new one is pinged --Carry--> both --Carried, and the new one is known--> Retire
//
// Nobody who judges this node needs to know of two connections. As long as it has both it needs both: the end of either is the end
// of its trust, so whoever knows one of them, and sees it closed, is right. It leaves the old one when that carries nothing any more, and
// nobody can take its closing as proof: as after any change of connections, see connTold.
type transfer struct {
	conn     protocol.Conn // until both are in use, the new one; from then on the old one
	contact  contact       // over that
	begun    bool          // both are in use
	carried  bool          // requests arrive over the new one alone
	recorded bool          // this incarnation's record names the new one
	heard    bool          // the coordinator has answered a heartbeat that names it
}

// beside takes that there is a second connection, to which this node is to go.
func (m *Machine) beside(c protocol.Conn) {
	if m.conn != nil && m.transfer == nil && !m.leaving {
		m.transfer = &transfer{conn: c}
	}
}

// transferDue goes on with a transfer.
func (m *Machine) transferDue() {
	t := m.transfer
	switch {
	case t == nil:
	case !t.begun && t.contact.at > 0:
		m.transferBegins()
	case t.carried && m.connTold():
		m.transferEnds()
	}
}

// transferBegins has this node live by both connections, and name the new one.
func (m *Machine) transferBegins() {
	t, old := m.transfer, *m.conn
	m.conn, t.conn, t.begun = &protocol.Conn{Server: t.conn.Server, Client: t.conn.Client}, old, true
	m.contact, t.contact = t.contact, m.contact
	m.key.urgent, m.beats.soon = true, true
	m.do(Carry{})
}

// carried takes that requests arrive over the new connection alone.
func (m *Machine) carried() {
	if m.transfer != nil {
		m.transfer.carried = true
	}
}

// transferHeard takes that the coordinator answered a heartbeat that named a connection.
func (m *Machine) transferHeard(c protocol.Conn) {
	if t := m.transfer; t != nil && t.begun && c == *m.conn {
		t.heard = true
	}
}

// transferRecorded takes that this incarnation's record names a connection, and that nothing before it counts any more.
func (m *Machine) transferRecorded(c protocol.Conn) {
	if t := m.transfer; t != nil && t.begun && c == *m.conn {
		t.recorded = true
	}
}

// connTold reports whether the new connection is known to all who may judge this node. Who fences it has read its record. Of a
// member only the coordinator takes a closed connection as proof, and a successor only once it has heard of the member itself. The coordinator needs
// the word of all members: see confirmed.
func (m *Machine) connTold() bool {
	switch t := m.transfer; {
	case t.recorded, m.cfg.Unsafe.TransferUntold:
		return true
	case m.lead != nil:
		return m.confirmed()
	default:
		return t.heard
	}
}

// transferEnds leaves the old connection.
func (m *Machine) transferEnds() {
	if k := &m.key; !m.transfer.recorded {
		k.fresh, k.last.fresh, k.urgent = false, false, true
	}
	m.transfer = nil
	if m.lead != nil {
		m.lead.listening = false
		clear(m.lead.standIn.standing)
	}
	m.do(Retire{})
}

// namesConn reports whether a record names the connection by which this node lives; one of both if there are two.
func (m *Machine) namesConn(rec *protocol.NodeRecord) bool {
	t := m.transfer
	return rec.Conn == *m.conn || t != nil && t.begun && rec.Conn == t.conn
}
