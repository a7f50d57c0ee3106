package sim

import (
	"math/rand/v2"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// work is what a worker does as the active one, beside requests: from when it is told that it is active until it has
// heard that it is so no more, and has ended what it does.
type work struct {
	runs    bool
	wanted  bool
	number  int
	excused bool // the process was paused while it ran
}

// works draws for how long the workers' active work goes on after its end was asked for, in one of three runs, and plays
// recipes for that. In the others it ends at once.
func (p *Plan) works(r *rand.Rand) {
	if r.IntN(3) > 0 {
		return
	}
	p.Work = pick(r, ms, 100*ms, sec, 3*sec)
	for t := r.Int64N(6 * sec); t < p.End; t += 2*sec + r.Int64N(10*sec) {
		p.play(&workRecipes[r.IntN(len(workRecipes))], r, t)
	}
}

// workRecipes are for the end of active work.
var workRecipes = []Recipe{
	{Name: "a child moves while its worker works", work: 2 * sec, steps: []step{
		{MoveChild, 0, 500 * ms, child, 0, 0},
		{StallOut, 500 * ms, sec, one, 300 * ms, 2 * sec},
		{MoveChild, 1500 * ms, 3 * sec, child, 0, 0},
		{WorkerFailed, 1500 * ms, 3 * sec, serving, 0, 0},
		{MoveChild, 3 * sec, 5 * sec, child, 0, 0},
	}},
	{Name: "a node is not heard while its worker works", work: 3 * sec, steps: []step{
		{StallOut, 0, sec, one, 2 * sec, 3900 * ms},
		{Lag, 0, sec, anyone, 100 * ms, sec},
	}},
}

// tell has the worker's active work begin, or end.
func (s *slot) tell(t replica.Tell) {
	if t.Mode != protocol.Active {
		s.endWork(s.h.p.w.plan.Work)
		return
	}
	s.work.wanted = true
	s.beginWork()
}

func (s *slot) beginWork() {
	if w := &s.work; !w.runs {
		w.runs, w.excused = true, false
		w.number++
	}
}

// endWork has the active work end within some time: at once if the run is of those where it does.
func (s *slot) endWork(within int64) {
	w := &s.work
	w.wanted = false
	switch n := w.number; {
	case !w.runs:
	case s.h.p.w.plan.Work == 0:
		w.runs = false
	default:
		s.h.p.after(s.h.p.w.works.Int64N(within), func() {
			if w.runs && w.number == n {
				s.workEnded()
			}
		})
	}
}

// workEnded has it begin again if the worker has become active meanwhile.
func (s *slot) workEnded() {
	s.work.runs = false
	s.quiet()
	if s.work.wanted {
		s.beginWork()
	}
	s.checkDrained()
}

// abandonWork waits for it no more: what it does then is not looked at.
func (s *slot) abandonWork() {
	s.work.runs = false
	s.quiet()
}

// works reports whether active work goes on at this instant.
func (s *slot) works() bool { return s.work.runs && !s.work.excused }

// working looks whether active work of a child goes on in a process while another one does so, or serves requests.
func (c *checker) working(p *process) {
	if c.w.plan.Work == 0 || !p.runs() || p.unaware() || c.w.broken != nil {
		return
	}
	for _, s := range p.host.all() {
		if s.works() && c.w.client.exclusive(s.child) {
			c.works(p, s)
		}
	}
}

func (c *checker) works(p *process, s *slot) {
	for _, o := range c.w.procs {
		if o == p || !o.runs() || o.unaware() {
			continue
		}
		switch x := o.host.slots[s.child]; {
		case x == nil:
		case x.works():
			c.w.breach(RuleOneWork, "active work of %s goes on in %s (process %d) and in %s (process %d)", s.child, p.name, p.number, o.name, o.number)
		case x.serves():
			c.w.breach(RuleOneWork, "active work of %s goes on in %s (process %d), and %s (process %d) serves requests", s.child, p.name, p.number, o.name, o.number)
		}
	}
}
