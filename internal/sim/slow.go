package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Slowed returns a plan in which nothing is wrong but that nobody has time, for up to a minute: each step of each node's loop takes
// its time, and what arrives meanwhile waits; or all stop, the servers too. Nothing may be lost by that, and a hub whose time
// is given back must be whole within [WholeAgain].
func Slowed(seed uint64, failover protocol.Failover) Plan {
	r := rand.New(rand.NewPCG(seed, 11))
	p := Plan{Seed: seed, Nodes: 2 + r.IntN(mostNodes-1), Skew: 47_000, Start: 20 * ms, Crowd: seed%2 == 0}
	p.onlySlow()
	p.Config.Failover = failover
	p.Config = p.Config.WithDefaults()
	for i := range Children {
		p.Faults = append(p.Faults, Fault{At: r.Int64N(2 * sec), Kind: StartChild, A: i, B: 4 + r.IntN(2)})
	}
	f := Fault{At: 10 * sec, Kind: Slow, A: r.IntN(30), For: 5*sec + r.Int64N(55*sec)}
	if seed%4 > 1 {
		f.Kind = Stop
	}
	p.Faults, p.End = append(p.Faults, f), f.At+f.For
	return p
}

// onlySlow has nothing be wrong but that nobody has time. Servers that stop give up no client.
func (p *Plan) onlySlow() { p.OnlySlow, p.GiveUp = true, 600*sec }

// WholeAgain is how long a hub may take that was only slow.
const WholeAgain = 10 * time.Second

// slow has each step of each loop take time.
func (w *world) slow(f Fault) {
	w.toil = int64(1+f.A) * ms
	w.in(f.For, func() { w.toil = 0 })
}

// stop stops all nodes. They go on within a moment.
func (w *world) stop(d int64) {
	w.stopped = true
	for _, p := range w.procs {
		if p.runs() {
			p.pause(d + w.between(0, 20*ms))
		}
	}
}

// hopToil is how many steps' time a message takes for each part of its way at most, while everything is slow.
const hopToil = 8

// toils keeps the loop busy after a step, while everything is slow.
func (p *process) toils() {
	if p.w.toil > 0 {
		p.busyTill = max(p.busyTill, p.w.now+p.w.between(0, 2*p.w.toil))
	}
}

// lateTick has a tick wait that finds the loop busy, if none does: the loop comes to it in the end.
func (p *process) lateTick() {
	if p.w.toil == 0 && !p.w.plan.OneMachine || p.paused || p.conn == nil || p.tickOf == p.session+1 {
		return
	}
	p.tickOf = p.session + 1
	p.inLoop(func() { p.step(view.Tick{}) })
}

// fenced looks at the end of an incarnation in a run in which nothing is wrong but that nobody has time: a node that trusts
// itself must not be given up. If all had stopped, nobody has been silent while another one listened.
func (c *checker) fenced(r view.Record) {
	if !c.w.plan.OnlySlow || r.Deleted {
		return
	}
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err != nil || rec.Status != protocol.Lost {
		return
	}
	i := slices.IndexFunc(c.w.procs, func(p *process) bool { return !p.gone && p.machine.Incarnation() == rec.Incarnation })
	if i >= 0 && (c.w.stopped || c.w.procs[i].host.lease.until > c.w.procs[i].local()) {
		c.w.breach(RuleWhole, "%s was fenced by %s (%s), and had only been late", rec.ID, rec.By, rec.Reason)
	}
}

// lateRecipes are for what is late and not lost.
var lateRecipes = []Recipe{
	{Name: "all stop, and go on", late: true, steps: []step{
		{Stop, 0, sec, anyone, 2 * sec, 5 * sec},
	}},
}
