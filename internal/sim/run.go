package sim

import (
	"fmt"
	"runtime/debug"
	"time"
)

// Result is what came of a run.
type Result struct {
	Violation *Violation // nil if all promises were kept
	Story     string     // the last that happened, if it was asked for
	Steps     uint64     // events
	Healed    time.Duration
}

// Run plays a plan. With lines, the last lines of its story are kept.
func Run(p Plan, u Unsafe, lines int) Result {
	var t *trace
	if lines > 0 {
		t = newTrace(lines)
	}
	w := newWorld(p, u, t)
	w.run()
	r := Result{Violation: w.broken, Steps: w.steps, Healed: time.Duration(w.now - p.End)}
	if t != nil {
		r.Story = t.String()
	}
	return r
}

func (w *world) run() {
	defer func() {
		if x := recover(); x != nil {
			w.breach(RulePanic, "%v\n%s", x, debug.Stack())
		}
	}()
	w.play()
	w.client.requests()
	w.runUntil(w.plan.End)
	if w.broken == nil {
		w.heal()
		w.settle()
	}
}

// Shrink drops what it can of the faults of a plan that breaks a promise, while it still breaks it.
func Shrink(p Plan, u Unsafe, tries int) Plan {
	was := Run(p, u, 0).Violation
	if was == nil {
		return p
	}
	for size := max(len(p.Faults)/2, 1); size >= 1 && tries > 0; size /= 2 {
		for i := 0; i < len(p.Faults) && tries > 0; {
			smaller := p
			smaller.Faults = append(append([]Fault{}, p.Faults[:i]...), p.Faults[min(i+size, len(p.Faults)):]...)
			tries--
			if r := Run(smaller, u, 0); r.Violation != nil && r.Violation.Rule == was.Rule {
				p = smaller
				continue
			}
			i += size
		}
	}
	return p
}

// Explain returns the shrunk plan of a seed that breaks a promise, and its story.
func Explain(p Plan, u Unsafe, lines int) string {
	small := Shrink(p, u, 400)
	r := Run(small, u, lines)
	return fmt.Sprintf("%v\nbroken: %v\n\nstory:\n%s", small, r.Violation, r.Story)
}
