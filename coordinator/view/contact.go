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
	at   time.Duration // when the last PING that was answered was sent; 0: none over this connection
	sent time.Duration // when the one under way was
	busy bool
	// asked is when the first of those was sent that were not answered since; 0: all were.
	asked time.Duration
}

// heard returns up to when this node knows what came to it.
func (c *contact) heard(now time.Duration) time.Duration {
	if c.asked == 0 {
		return now
	}
	return c.asked
}

// contactEvery is the time between two PINGs, while there is contact.
const contactEvery = protocol.Contact / 4

// contactDue asks the server for a sign of life when it is time.
func (m *Machine) contactDue() {
	c := &m.contact
	if c.busy || m.now.Mono-c.sent < contactEvery && m.now.Mono < m.inContact() {
		return
	}
	c.busy, c.sent = true, m.now.Mono
	if c.asked == 0 {
		c.asked = c.sent
	}
	m.do(Ping{})
}

func (m *Machine) pinged(e Pinged) {
	c := &m.contact
	if !c.busy {
		return // of a connection that is no more
	}
	c.busy = false
	if e.Outcome == Done {
		c.at, m.touched, c.asked = c.sent, c.sent, 0
	}
}

// inContact returns until when the touch with the server lasts. A hub that takes no closed connection as proof
// needs none.
func (m *Machine) inContact() time.Duration {
	switch {
	case m.cfg.Unsafe.NoContact || !m.settings().Failover.Proves():
		return forever
	case m.contact.at == 0:
		return 0
	}
	return m.contact.at + protocol.Contact - m.margin(protocol.Contact)
}
