package sim

import (
	"fmt"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// servers is how many NATS servers there are.
const servers = 3

// server is a NATS server.
type server struct {
	w       *world
	index   int
	starts  int
	id      string // new with each start
	alive   bool
	clients uint64
	conns   []*conn
}

func (s *server) start() {
	s.starts++
	s.id, s.alive, s.clients, s.conns = fmt.Sprintf("S%d-%d", s.index, s.starts), true, 0, nil
}

// crash ends the server: its clients notice at once, and nobody answers for it any more.
func (s *server) crash() {
	s.alive = false
	s.w.tell("", "server %s crashes", s.id)
	for _, c := range s.conns {
		if c.open {
			c.open = false
			c.lost()
		}
	}
}

// conn is a client's connection to a server.
type conn struct {
	srv     *server
	id      protocol.Conn
	proc    *process                  // nil: the outside client's
	number  uint64                    // of the process's connections
	open    bool                      // as the server sees it
	kicked  bool                      // the server closed it without its client's doing
	ready   bool                      // the process listens
	retired bool                      // another one has taken its place
	lead    bool                      // it listens to what the coordinator hears
	leads   bool                      // it asked to
	outAt   int64                     // nothing leaves the client before
	inAt    int64                     // nothing reaches it before
	told    map[protocol.Bucket]int64 // when the last record of each stream reaches it
}

func (s *server) accept(p *process) *conn {
	s.clients++
	c := &conn{srv: s, proc: p, open: true, told: map[protocol.Bucket]int64{}, id: protocol.Conn{Server: s.id, Client: s.clients}}
	s.conns = append(s.conns, c)
	return c
}

// ping has something happen when the client's own server has answered it, if it does. Nothing gets lost between the
// two while the connection is there.
func (c *conn) ping(answered func()) {
	w := c.srv.w
	w.at(max(w.now, c.outAt)+w.latency(), func() {
		if c.open {
			w.in(w.latency(), func() { w.hand(c, answered) })
		}
	})
}

// lost tells the process that its connection is closed.
func (c *conn) lost() {
	if c.proc != nil {
		c.proc.arrived(func() { c.proc.connLost(c) })
	}
}

// shut closes the connection at the server; the client notices at once, if it runs.
func (c *conn) shut() {
	if c.open {
		c.ends()
		c.lost()
	}
}

// way is a direction from one server to another.
type way [2]int

// route is what is wrong with a way.
type route struct {
	cuts  int   // how many faults cut it now: nothing gets through
	since int64 // when it was cut last
	held  int64 // nothing gets through before this instant, and everything then
}

func (w *world) route(a, b *server) *route { return w.routes[a.index*servers+b.index] }

// linked reports whether messages get from one server to another.
func (w *world) linked(a, b *server) bool {
	return a.alive && b.alive && (a == b || w.route(a, b).cuts == 0)
}

// joined reports whether messages get from one server to another and back.
func (w *world) joined(a, b *server) bool { return w.linked(a, b) && w.linked(b, a) }

// knows reports whether a server believes that what listens at another one can be reached. It goes on
// to do so for some time after it was cut off.
func (w *world) knows(a, b *server) bool {
	if w.joined(a, b) {
		return true
	}
	return a.alive && b.alive && w.now < max(w.route(a, b).since, w.route(b, a).since)+w.plan.Memory
}

// over has something happen when a message has got from one server to another, if it does.
func (w *world) over(a, b *server, do func()) {
	switch {
	case !w.linked(a, b):
	case a != b && w.route(a, b).held > w.now:
		w.at(w.route(a, b).held, func() { w.over(a, b, do) })
	default:
		do()
	}
}

// upTo has something happen at a server when a client's message arrives there, if it does.
func (w *world) upTo(from *conn, to *server, do func()) {
	if !from.open || w.chance(w.loss) {
		return
	}
	t := max(w.now, from.outAt) + w.latency() + w.latency()
	w.at(t, func() {
		if from.open {
			w.over(from.srv, to, do)
		}
	})
}

// downTo has something happen at a client when a server's message arrives there, if it does.
func (w *world) downTo(from *server, to *conn, do func()) {
	if w.chance(w.loss) || !to.open {
		return
	}
	w.in(w.latency()+w.latency(), func() { w.over(from, to.srv, func() { w.hand(to, do) }) })
}

// hand gives a message to a client.
func (w *world) hand(to *conn, do func()) {
	switch {
	case !to.open:
	case to.inAt > w.now:
		w.at(to.inAt, func() { w.hand(to, do) })
	case to.proc == nil:
		do()
	default:
		to.proc.arrived(func() {
			if to.proc.conn == to || to.isSecond() || to.retired {
				do()
			}
		})
	}
}

// send has something happen at another client when a message arrives there, if it does.
func (w *world) send(from, to *conn, do func()) {
	if !from.open || w.chance(w.loss) {
		return
	}
	left := max(w.now, from.outAt) + w.latency()
	key := [2]*conn{from, to}
	t := max(left+w.latency(), w.fifo[key])
	w.fifo[key] = t
	w.at(left, func() {
		if from.open { // the end of its connection does not call back what has left its server
			w.at(t, func() { w.over(from.srv, to.srv, func() { w.hand(to, do) }) })
		}
	})
}

// listeners returns the connections that a condition holds for and that a client seems to reach.
func (w *world) listeners(from *conn, want func(*conn) bool) []*conn {
	var out []*conn
	for _, s := range w.servers {
		if !w.knows(from.srv, s) {
			continue
		}
		for _, c := range s.conns {
			if c.open && c.ready && want(c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// evidence is what the server of a connection says of it; nothing if it can't be asked.
func (w *world) evidence(from *conn, of protocol.Conn, answer func(view.Evidence)) {
	for _, s := range w.servers {
		if s.id != of.Server && !w.unsafe.AnyServer {
			continue
		}
		w.upTo(from, s, func() {
			e := view.Closed
			for _, c := range s.conns {
				if c.id == of && c.open {
					e = view.Open
				}
			}
			w.downTo(s, from, func() { answer(e) })
		})
	}
}
