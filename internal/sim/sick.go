package sim

import (
	"math/rand/v2"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// sickRecipes are for workers that keep failing where others don't.
var sickRecipes = []Recipe{
	{Name: "a worker keeps failing on one node", ail: true, steps: []step{
		{Sick, 0, 0, serving, 40 * sec, 50 * sec},
	}},
	{Name: "workers keep failing on two nodes, and the coordinator dies", steps: []step{
		{Sick, 0, sec, serving, 10 * sec, 20 * sec},
		{Sick, 5 * sec, 8 * sec, serving, 5 * sec, 20 * sec},
		{Crash, 6 * sec, 12 * sec, coordinator, 10 * ms, 3 * sec},
		{MoveChild, 8 * sec, 14 * sec, child, 0, 0},
	}},
}

// sickness plays recipes for that, in one of four runs.
func (p *Plan) sickness(r *rand.Rand) {
	if r.IntN(4) > 0 {
		return
	}
	for t := r.Int64N(6 * sec); t < p.End; t += 6*sec + r.Int64N(20*sec) {
		p.play(&sickRecipes[r.IntN(len(sickRecipes))], r, t)
	}
}

const (
	// sickEvery is how often a sick worker ends: less often than its restarts are limited to.
	sickEvery = 2100 * ms
	// sickMost is how often it may end while another replica stands by that is not sick: until it counts as one that keeps
	// failing, and until that is reported and its role handed over.
	sickMost = 6
)

// sicken has the worker of a child fail whenever it is active on a node: where it is active at this moment, or on a node that is named.
func (w *world) sicken(name string, f Fault) {
	if f.B < Child {
		f.B = Child + f.B%Children
	}
	k := w.client.kids[f.B-Child]
	if k == nil {
		return
	}
	if x := w.check.entries[k.name]; f.A == Active {
		if a := protocol.ActiveOf(protocol.Derive(&w.check.view, &x.Entry)); a != nil {
			name = a.Node
		}
	}
	key := sick{k.name, name}
	if w.sick[key] || w.healing {
		return
	}
	w.tell(name, "its worker of %s will fail again and again", k.name)
	w.sick[key] = true
	w.in(f.For, func() { delete(w.sick, key) })
	w.ail(key, 0)
}

// sick is a child and the node on which its worker fails.
type sick struct{ child, node string }

// ail has a sick worker fail, if it is active; so often it has done so while another replica stood by.
func (w *world) ail(key sick, fails int) {
	if !w.sick[key] || w.healing {
		return
	}
	if p := w.running[key.node]; p != nil && p.runs() {
		if s := p.host.slots[key.child]; s != nil && s.m.Role() == replica.Active && s.m.Life() == replica.Running && w.client.exclusive(key.child) {
			if w.standsBy(key) {
				fails++
			}
			if w.plan.Ailing && fails > sickMost {
				w.breach(RuleFailing, "the worker of %s on %s failed %d times while another one stood by", key.child, key.node, fails)
				return
			}
			w.endWorker(s, "sick")
		}
	}
	w.in(sickEvery, func() { w.ail(key, fails) })
}

// standsBy reports whether another replica of a child is ready, on a node where it is not sick.
func (w *world) standsBy(key sick) bool {
	for _, name := range w.names {
		p := w.running[name]
		if name == key.node || p == nil || !p.runs() || w.sick[sick{key.child, name}] {
			continue
		}
		if s := p.host.slots[key.child]; s != nil && s.m.Settled() && s.m.Assigned() {
			return true
		}
	}
	return false
}
