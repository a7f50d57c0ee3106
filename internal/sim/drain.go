package sim

import (
	"math/rand/v2"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// drains has nodes drain, in two of three runs.
func (p *Plan) drains(r *rand.Rand) {
	if r.IntN(3) == 0 {
		return
	}
	gap := pick(r, sec, 4*sec, 12*sec)
	for t := r.Int64N(gap); t < p.End; t += 1 + r.Int64N(2*gap) {
		f := faultOf(r, Drain, t)
		f.For = pick(r, 10*ms, 300*ms, 3*sec, 8*sec)
		if r.IntN(3) == 0 {
			f.A = Coordinator + r.IntN(60-Coordinator)
		}
		p.Faults = append(p.Faults, f)
	}
}

// drain has a node drain: one that leaves some time later, whatever it has then; or one that somebody asked to, who
// ends that later.
func (w *world) drain(name string, f Fault) {
	if f.B%2 == 0 {
		w.client.drains(name, true)
		w.in(f.For, func() { w.client.drains(name, false) })
		return
	}
	p := w.running[name]
	if p == nil || p.leaving || len(w.running) < 2 {
		return
	}
	p.arrived(func() {
		w.tell(name, "drains")
		p.draining = true
		if p.conn != nil {
			p.inLoop(func() { p.step(view.Drain{}) })
		}
	})
	w.in(f.For, func() {
		if !p.gone && !p.leaving {
			p.arrived(p.leave)
			w.in(f.For, func() { w.boot(name) })
		}
	})
}

// drains has the client want a node to drain, or not to: what it wanted before counts no more.
func (c *client) drains(node string, on bool) {
	c.wishes[node]++
	c.drain(node, on, c.wishes[node])
}

// endDrains ends all drains, again and again: a request that was late may be carried out after the one that took it back.
func (c *client) endDrains() {
	for _, node := range c.w.names {
		c.drains(node, false)
	}
	c.w.in(3*sec, c.endDrains)
}

// drain asks for that until it is so, or the node is no member any more.
func (c *client) drain(node string, on bool, wish int) {
	if c.wishes[node] != wish {
		return
	}
	c.w.tell("", "client asks to drain %s (cancel: %t)", node, !on)
	c.request(protocol.VerbDrain, protocol.DrainRequest{Node: node, Cancel: !on}, func(a *view.AnswerControl) {
		if a != nil && a.Problem != nil && (a.Problem.Code == protocol.CodeNotFound || a.Problem.Code == protocol.CodeConflict) {
			return
		}
		if a == nil || a.Problem != nil || a.Value.(protocol.DrainResponse).Draining != on {
			c.w.in(c.w.between(20*ms, 500*ms), func() { c.drain(node, on, wish) })
			return
		}
		c.w.tell("", "client: %s drains: %t", node, on)
	})
}

// resignRecipes are for a coordinator that drains.
var resignRecipes = []Recipe{
	{Name: "the coordinator resigns, and does not hear whether it did", steps: []step{
		{Deaf, -100 * ms, 0, coordinator, 500 * ms, 2 * sec},
		{Drain, 0, 0, coordinator, sec, 4 * sec},
		{Unacked, 0, 20 * ms, placements, 500 * ms, 2 * sec},
		{Late, 0, 500 * ms, placements, 500 * ms, 2 * sec},
	}},
	{Name: "the coordinator resigns and is cut off", steps: []step{
		{Deaf, 0, 0, deputy, 20 * ms, 200 * ms},
		{Drain, 0, 0, coordinator, 3 * sec, 5 * sec},
		{ServerCut, 2 * ms, 60 * ms, coordinator, 3 * sec, 5 * sec},
	}},
	{Name: "the coordinator resigns, and its successor dies or hangs", steps: []step{
		{Drain, 0, 0, coordinator, sec, 4 * sec},
		{Pause, 0, 40 * ms, deputy, 100 * ms, 3 * sec},
		{Crash, 0, 60 * ms, deputy, 10 * ms, 3 * sec},
		{NoLeader, 0, sec, placements, 100 * ms, sec},
	}},
	{Name: "the coordinator resigns and dies", steps: []step{
		{Drain, 0, 0, coordinator, sec, 4 * sec},
		{StopChild, 0, 100 * ms, child, 0, 0},
		{Crash, 0, 60 * ms, coordinator, 10 * ms, 3 * sec},
		{Drain, 100 * ms, sec, coordinator, sec, 4 * sec},
	}},
	{Name: "the coordinator's role changes while children move to who gets it", steps: []step{
		{LongRequest, 0, 0, child, 2 * sec, 4 * sec},
		{LongRequest, 0, 0, anyone, 2 * sec, 4 * sec},
		{MoveChild, 20 * ms, 200 * ms, child, 0, 0},
		{MoveChild, 20 * ms, 200 * ms, anyone, 0, 0},
		{Drain, 200 * ms, sec, coordinator, sec, 4 * sec},
		{Crash, 1500 * ms, 1800 * ms, coordinator, 10 * ms, 3 * sec},
	}},
}
