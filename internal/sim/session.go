package sim

import (
	"slices"

	"github.com/phub-io/phub/coordinator/view"
)

// clientPatience is how long a client waits for a sign of life from its server.
const clientPatience = 4 * sec

// dial opens a connection to any server, again and again until there is one.
func (p *process) dial() {
	if p.gone || p.left || p.dialing || p.conn != nil {
		return
	}
	p.dialing = true
	wait := p.backOff
	p.backOff = min(2*p.backOff, sec)
	p.after(wait+p.w.between(ms, 5*ms), func() {
		p.dialing = false
		if p.left || p.conn != nil {
			return
		}
		s := p.w.servers[p.w.rng.IntN(servers)]
		if p.next != nil {
			s, p.next = p.next, nil
		}
		if !s.alive || p.w.now < p.w.check.cutOff[p.name] {
			p.dial()
			return
		}
		p.opened(s)
	})
}

// opened works over a new connection, as root's open and the coordinator's work do.
func (p *process) opened(s *server) {
	c := s.accept(p)
	p.conns++
	c.number = p.conns
	p.conn = c
	p.session++
	p.w.tell(p.name, "is connected to %s as client %d", c.id.Server, c.id.Client)
	p.host.attach(c)
	session := p.session
	p.after(p.w.latency()*2, func() {
		if p.session != session {
			return
		}
		c.ready = true
		p.after(p.w.latency(), func() {
			if p.session == session {
				p.backOff = 5 * ms
				p.inLoop(func() {
					p.up = true
					p.step(view.Connected{Conn: c.id})
					p.step(view.LocalReport{Report: p.host.reportNow()})
					if p.draining {
						p.step(view.Drain{})
					}
					if p.mayLeave {
						p.step(view.Leave{})
					}
				})
			}
		})
	})
}

// connLost is what happens when the connection turns out to be closed: the running side hears of it at
// once, the loop when it comes to it.
func (p *process) connLost(c *conn) {
	closed := c
	if c.isSecond() && !p.left && !p.w.unsafe.View.TransferOnOne {
		c = p.conn // it needs both
	}
	if p.conn != c || p.left || p.w.unsafe.SelfReconnect && p.w.reconnect(c) {
		return
	}
	p.w.tell(p.name, "its connection to %s is closed", c.id.Server)
	if c.kicked {
		p.host.tainted()
	}
	for _, x := range p.open() {
		if x != closed {
			p.w.at(max(p.w.now, x.outAt)+p.w.between(0, 2*ms), x.ends)
		}
	}
	p.conn, p.second, p.up = nil, nil, false
	p.session++
	p.host.detach()
	clear(p.beats)
	clear(p.controls)
	p.inLoop(func() {
		p.step(view.Disconnected{})
		p.dial()
	})
}

// reconnect opens a connection again by itself, at another server, as a client may that is told to: who
// uses it hears nothing of that, and goes on to name the one before.
func (w *world) reconnect(c *conn) bool {
	for _, i := range w.rng.Perm(servers) {
		s := w.servers[i]
		if !s.alive {
			continue
		}
		c.srv.conns = slices.DeleteFunc(slices.Clone(c.srv.conns), func(x *conn) bool { return x == c })
		s.conns = append(s.conns, c)
		c.srv, c.open = s, true
		w.logf(c.proc.name, "its connection %+v reconnects to server %s", c.id, s.id)
		return true
	}
	return false
}

// stalled has nothing go in or out of the connection for some time. If that is too long, the client
// gives it up; the server hears of that only when messages flow again.
func (c *conn) stalled(d int64, in, out bool) {
	w := c.proc.w
	until := w.now + d
	if in {
		c.inAt = max(c.inAt, until)
	}
	if out && until > c.outAt {
		c.outAt = until
		c.giveUp(d, func() bool { return c.outAt == until && w.now < until })
	}
	if d < clientPatience {
		return
	}
	w.in(w.between(clientPatience, clientPatience+2*sec), func() {
		c.proc.arrived(func() {
			if c.proc.conn == c && w.now < until && !w.healing {
				c.proc.connLost(c)
				w.at(until, c.ends)
			}
		})
	})
}
