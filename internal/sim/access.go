package sim

import (
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// access reports whether the hub has access to the system account: servers report closed connections, and
// close some on demand.
func (w *world) access() bool { return w.plan.Config.Failover == protocol.FailoverFast }

// ends closes a connection as its server sees it.
func (c *conn) ends() {
	if c.open {
		c.open = false
		c.srv.w.report(c.srv, c.id)
	}
}

// giveUp has the server close the connection of a client that is silent from now on, for some time, when it has answered
// no pings for too long. silent reports whether it has been so without a break.
func (c *conn) giveUp(d int64, silent func() bool) {
	w := c.srv.w
	if after := w.plan.GiveUp + w.between(0, sec); after < d {
		w.in(after, func() {
			if silent() {
				c.kick()
			}
		})
	}
}

// kick closes a connection without its client's doing. The client notices when something gets through to it,
// if it runs; until then it goes on, as long as it trusts itself.
func (c *conn) kick() {
	if !c.open {
		return
	}
	c.kicked = true
	c.ends()
	w := c.srv.w
	w.at(max(w.now, c.inAt)+w.latency(), c.lost)
}

// kick has a connection closed by its server, if it is the node's.
func (w *world) kick(from *conn, k view.Kick, answer func(view.Outcome)) {
	for _, s := range w.servers {
		if s.id != k.Conn.Server {
			continue
		}
		w.upTo(from, s, func() {
			o := view.Conflict
			for _, c := range s.conns {
				if c.id == k.Conn && c.open && c.proc != nil && c.proc.name == k.Node {
					w.tell("", "%s is disconnected by its server", k.Node)
					c.kick()
					o = view.Done
				}
			}
			w.downTo(s, from, func() { answer(o) })
		})
	}
}

// report tells all nodes that a connection is closed, true or not.
func (w *world) report(from *server, of protocol.Conn) {
	if !w.access() || !from.alive {
		return
	}
	for _, s := range w.servers {
		for _, c := range s.conns {
			if c.open && c.ready && c.proc != nil {
				w.downTo(from, c, func() { c.proc.loop(view.ConnReported{Conn: of}) })
			}
		}
	}
}

// forge has somebody report a connection closed that isn't, now and then.
func (w *world) forge() {
	if !w.access() || w.healing {
		return
	}
	s := w.servers[w.rng.IntN(servers)]
	for _, c := range s.conns {
		if c.open && c.proc != nil && w.chance(0.5) {
			w.report(s, c.id)
		}
	}
	w.in(w.between(10*ms, 2*sec), w.forge)
}

// unaware reports whether the process does not know yet that its server closed its connection. What it still
// serves then is what failover fast leaves to the epoch.
func (p *process) unaware() bool {
	return p.w.access() && (p.conn != nil && p.conn.kicked || p.second != nil && p.second.kicked)
}
