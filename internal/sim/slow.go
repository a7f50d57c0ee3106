package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Slowed returns a plan in which nothing is wrong but that everything is slow for some time, up to a minute: each step of each
// node's loop takes its time, and what arrives meanwhile waits. Nothing may be lost by that, and a hub whose time
// is given back must be whole within [WholeAgain].
func Slowed(seed uint64, failover protocol.Failover) Plan {
	r := rand.New(rand.NewPCG(seed, 11))
	p := Plan{Seed: seed, Nodes: 2 + r.IntN(mostNodes-1), Skew: 47_000, Start: 20 * ms, GiveUp: 30 * sec, OnlySlow: true, Crowd: seed%2 == 0}
	p.Config.Failover = failover
	p.Config = p.Config.WithDefaults()
	for i := range Children {
		p.Faults = append(p.Faults, Fault{At: r.Int64N(2 * sec), Kind: StartChild, A: i, B: 4 + r.IntN(2)})
	}
	f := Fault{At: 10 * sec, Kind: Slow, A: r.IntN(30), For: 5*sec + r.Int64N(55*sec)}
	p.Faults, p.End = append(p.Faults, f), f.At+f.For
	return p
}

// WholeAgain is how long a hub may take that was only slow.
const WholeAgain = 10 * time.Second

// slow has each step of each loop take time.
func (w *world) slow(f Fault) {
	w.toil = int64(1+f.A) * ms
	w.in(f.For, func() { w.toil = 0 })
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
	if p.w.toil == 0 || p.paused || p.conn == nil || p.tickOf == p.session+1 {
		return
	}
	p.tickOf = p.session + 1
	p.inLoop(func() { p.step(view.Tick{}) })
}

// fenced looks at the end of an incarnation in a run in which nothing is wrong but that everything is slow: a node that trusts
// itself must not be given up.
func (c *checker) fenced(r view.Record) {
	if !c.w.plan.OnlySlow || r.Deleted {
		return
	}
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err != nil || rec.Status != protocol.Lost {
		return
	}
	i := slices.IndexFunc(c.w.procs, func(p *process) bool { return !p.gone && p.machine.Incarnation() == rec.Incarnation })
	if i >= 0 && c.w.procs[i].host.lease.until > c.w.procs[i].local() {
		c.w.breach(RuleWhole, "%s was fenced by %s (%s), and its lease had not ended", rec.ID, rec.By, rec.Reason)
	}
}
