package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// contact is this node's touch with its own NATS server, a third thing that trust needs beside a lease and a
// connection.
//
// A server gives up a client that answers no pings, and says then that its connection is closed. Others take
// that as proof that the node has ended, and don't wait for its lease; but a process that was only stopped goes
// on when it wakes, with the requests that it had received, until it reads that the connection is closed.
// So a node trusts itself no longer than protocol.Contact after the last PING that its server answered. A
// server that gives its clients more time than that has given up none that still trusts itself.
type contact struct {
	at   time.Duration // when the last PING that was answered was sent; 0: none
	sent time.Duration // when the one under way was
	busy bool
}

// contactEvery is the time between two PINGs, while there is contact.
const contactEvery = protocol.Contact / 4

// contactDue asks the server, or both while there are two connections, for a sign of life when it is time.
func (m *Machine) contactDue() {
	m.ping(&m.contact, *m.conn)
	if t := m.transfer; t != nil {
		m.ping(&t.contact, t.conn)
	}
}

func (m *Machine) ping(c *contact, conn protocol.Conn) {
	if c.busy || m.now.Mono-c.sent < contactEvery && m.now.Mono < m.contactUntil(c) {
		return
	}
	c.busy, c.sent = true, m.now.Mono
	m.do(Ping{Conn: conn})
}

func (m *Machine) pinged(e Pinged) {
	c := m.contactOver(e.Conn)
	if c == nil || !c.busy {
		return // of a connection that is no more
	}
	c.busy = false
	if e.Outcome == Done {
		c.at, m.touched = c.sent, c.sent
	}
}

// contactOver returns the touch that there is over a connection; nil if this node has no such connection.
func (m *Machine) contactOver(conn protocol.Conn) *contact {
	switch t := m.transfer; {
	case m.conn != nil && *m.conn == conn:
		return &m.contact
	case t != nil && t.conn == conn:
		return &t.contact
	}
	return nil
}

// inContact returns until when the touch with the server lasts; that with both while others may know this node by either
// connection.
func (m *Machine) inContact() time.Duration {
	until := m.contactUntil(&m.contact)
	switch t := m.transfer; {
	case t == nil || !t.begun:
		return until
	case m.cfg.Unsafe.TransferOnOne:
		return max(until, m.contactUntil(&t.contact))
	default:
		return min(until, m.contactUntil(&t.contact))
	}
}

// contactUntil returns until when the touch over one connection lasts. A hub that takes no closed connection as proof needs none.
func (m *Machine) contactUntil(c *contact) time.Duration {
	switch {
	case m.cfg.Unsafe.NoContact || !m.settings().Failover.Proves():
		return forever
	case c.at == 0:
		return 0
	}
	return c.at + protocol.Contact - m.margin(protocol.Contact)
}
