package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/phub-io/phub/coordinator/view"
)

// transferRecipes are for nodes that go from one server to another, with two connections for a moment.
var transferRecipes = []Recipe{
	{Name: "a node goes to another server and is not heard", steps: []step{
		{StallOut, 0, 0, one, 600 * ms, 1500 * ms},
		{Transfer, ms, 100 * ms, one, sec, 3 * sec},
		{Transfer, 2 * sec, 2 * sec, coordinator, 200 * ms, sec},
		{StallOut, 2 * sec, 2020 * ms, coordinator, 600 * ms, 1500 * ms},
	}},
	{Name: "the coordinator goes to another server while a node joins", steps: []step{
		{Crash, 0, 0, one, ms, 50 * ms},
		{Late, 150 * ms, 200 * ms, nodes, sec, 3 * sec},
		{Lag, 150 * ms, 200 * ms, anyone, sec, 2 * sec},
		{Transfer, 100 * ms, 900 * ms, coordinator, ms, 500 * ms},
		{Transfer, 500 * ms, 1500 * ms, coordinator, ms, 500 * ms},
	}},
}

// transfers has nodes go to other servers, in two of three runs: one by one, or all within a short time, as when all servers are
// restarted.
func (p *Plan) transfers(r *rand.Rand) {
	if r.IntN(3) == 0 {
		return
	}
	gap := pick(r, 100*ms, sec, 8*sec)
	for t := r.Int64N(2 * gap); t < p.End; t += 1 + r.Int64N(2*gap) {
		f := faultOf(r, Transfer, t)
		f.For = pick(r, ms, 30*ms, sec, 10*sec)
		if r.IntN(3) == 0 {
			f.A = Coordinator + r.IntN(60-Coordinator)
		}
		p.Faults = append(p.Faults, f)
	}
	for t := r.Int64N(6 * sec); t < p.End; t += 3*sec + r.Int64N(8*sec) {
		p.play(&transferRecipes[r.IntN(len(transferRecipes))], r, t)
	}
}

// transfer has a process open a second connection, because its server is going to close the first one, which it does after some
// time. Now and then the second one is closed, too.
func (p *process) transfer(f Fault) {
	if !p.up || p.conn == nil || p.second != nil || p.leaving {
		return
	}
	w, first := p.w, p.conn
	s := w.servers[(first.srv.index+1+f.B%(servers-1))%servers]
	if !s.alive || w.now < w.check.cutOff[p.name] {
		return
	}
	c, session := s.accept(p), p.session
	c.number, p.second = first.number, c
	w.tell(p.name, "is connected to %s as client %d, too: %s is going to close the first connection", c.id.Server, c.id.Client, first.id.Server)
	p.after(w.latency()*2, func() {
		if p.session != session {
			return
		}
		c.ready = true
		p.after(w.latency(), func() {
			if p.session == session {
				p.loop(view.Beside{Conn: c.id})
			}
		})
	})
	w.in(f.For, first.shut)
	if f.B%5 == 0 {
		w.in(w.between(0, 30*ms), func() {
			if p.second == c {
				c.shut()
			}
		})
	}
}

// carry has requests arrive over the second connection, and then over the first one no more.
func (p *process) carry() {
	c, session := p.second, p.session
	took := p.w.between(us, 60*ms)
	if p.w.chance(0.05) {
		took = p.w.between(60*ms, 4*sec)
	}
	p.after(took, func() {
		if p.session == session && p.second == c && c.open {
			p.host.link = c
			p.loop(view.Carried{})
		}
	})
}

// retire goes on over the second connection. What is under way over the first one is still answered, for some time.
func (p *process) retire() {
	old := p.conn
	old.retired, old.lead, old.leads = true, false, false
	p.conn, p.second, p.host.link = p.second, nil, p.second
	p.retired = append(slices.DeleteFunc(p.retired, func(c *conn) bool { return !c.open }), old)
	p.w.tell(p.name, "goes on over its connection to %s", p.conn.id.Server)
	p.w.in(p.w.between(0, sec), old.ends)
}

// open returns the open connections of a process.
func (p *process) open() []*conn {
	var open []*conn
	for _, c := range append([]*conn{p.conn, p.second}, p.retired...) {
		if c != nil && c.open {
			open = append(open, c)
		}
	}
	return open
}

// isSecond reports whether a connection is the one to which its process is on its way.
func (c *conn) isSecond() bool { return c.proc.second == c }

// on reports whether a connection is the host's, or was before that one took its place.
func (h *host) on(c *conn) bool { return h.link != nil && h.link.number == c.number }
