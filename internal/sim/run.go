package sim

import (
	"runtime/debug"
	"time"
)

// Result is what came of a run.
type Result struct {
	Violation *Violation    // nil if all promises were kept
	Story     string        // the last that happened, if it was asked for
	Steps     uint64        // events
	Spent     time.Duration // by all nodes of one machine
	Healed    time.Duration // how long after the last fault all was as it should be, and stayed so
}

// Run plays a plan. With lines, the last lines of its story are kept.
func Run(p Plan, u Unsafe, lines int) Result {
	var t *trace
	if lines > 0 {
		t = newTrace(lines)
	}
	w := newWorld(p, u, t)
	w.run()
	r := Result{Violation: w.broken, Steps: w.steps, Spent: time.Duration(w.spent), Healed: time.Duration(w.healed - p.End)}
	if t != nil {
		r.Story = t.String()
		if w.broken != nil {
			r.Story += w.ending()
		}
	}
	return r
}

func (w *world) run() {
	defer func() {
		if x := recover(); x != nil {
			w.breach(RulePanic, "%v", x)
			w.broken.Stack = string(debug.Stack())
		}
	}()
	w.play()
	w.client.requests()
	w.watchServed()
	w.runUntil(w.plan.End)
	if w.broken == nil {
		w.heal()
		w.settle()
	}
}
