package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// ownKeys has somebody store foreign values under nodes' own keys in a loop: under one node's, or, with an odd B, under all.
func (w *world) ownKeys(f Fault) {
	r := rand.New(rand.NewPCG(w.plan.Seed+w.plan.Salt, uint64(f.At)+uint64(f.B)))
	gap := []int64{2 * ms, 20 * ms, 100 * ms, 300 * ms}[f.B/2%4]
	until := w.now + f.For
	var round func()
	round = func() {
		if w.healing || w.now >= until {
			return
		}
		nodes := []string{w.target(f.A)}
		if f.B%2 == 1 {
			nodes = slices.Clone(w.names)
		}
		for _, node := range nodes {
			w.in(r.Int64N(gap), func() { w.overwrite(r, node) })
		}
		w.in(gap, round)
	}
	round()
}

// overwrite stores one to three foreign values under a node's key, one right after the other: who has not read the first by
// then never does.
func (w *world) overwrite(r *rand.Rand, node string) {
	s := w.streams[protocol.NodesBucket]
	for range 1 + r.IntN(3) {
		if w.healing || s.server() == nil {
			return
		}
		i := slices.Index(w.names, node)
		f := Fault{A: i, B: r.IntN(60)}
		switch n := r.IntN(4); {
		case i < 0: // it has left for good
			return
		case n == 0:
			w.storeRecord(f)
		case n == 1:
			w.putBack(f)
		case n == 2:
			s.put(view.Record{Key: node, Deleted: true})
		default:
			s.put(view.Record{Key: node, Value: []byte(junk[f.B%len(junk)])})
		}
	}
}

// ownKeys has foreign values stored under nodes' own keys in a loop, in one of four runs.
func (p *Plan) ownKeys(r *rand.Rand) {
	if r.IntN(4) > 0 {
		return
	}
	for t := r.Int64N(6 * sec); t < p.End; t += sec + r.Int64N(10*sec) {
		p.Faults = append(p.Faults, faultOf(r, OwnKeys, t))
	}
}

// watchServed ends the run if a child is unserved for longer than the plan allows, once it was served. It is for plans whose
// faults take no node away.
func (w *world) watchServed() {
	if w.plan.Unserved == 0 {
		return
	}
	served := map[string]int64{}
	var look func()
	look = func() {
		for _, p := range w.procs {
			for _, s := range p.host.all() {
				if p.runs() && s.serves() {
					served[s.child] = w.now
				}
			}
		}
		for _, k := range w.client.all {
			if at, ok := served[k.name]; ok && w.now-at > w.plan.Unserved && k.stops == 0 && !k.stopped && len(k.ended) == 0 {
				w.breach(RuleServed, "nobody has served %s since %d ms", k.name, at/ms)
			}
		}
		w.in(5*ms, look)
	}
	look()
}
