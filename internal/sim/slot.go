package sim

import (
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// slot is the place of one child on a node: its machine, and the worker that it wants.
type slot struct {
	h       *host
	child   string
	m       replica.Machine
	gone    bool
	wakeAt  int64
	busy    bool  // a handler runs
	handler int64 // number of the last one
	excused bool  // it ran while the process was paused
	work    work
	stops   []func()
	drain   *replica.Drain
	onLetGo []func()
	settled bool
	run     uint64          // of the worker
	made    *protocol.Spec  // with which its worker was started
	live    map[uint64]bool // workers that were started and have not been stopped
	failed  bool
	told    uint64 // revision of the spec that it was last told to run by,
	spec    uint64 // and of the one by which its worker runs
	slow    int64  // for how long a worker takes to stop
	lingers bool   // such a one is to stop
	ends    int    // of its workers, by themselves
}

func (s *slot) step(e replica.Event) {
	if s.gone {
		return
	}
	p := s.h.p
	if p.w.trace != nil {
		before := s.m.Role()
		defer func() {
			if s.m.Role() != before {
				p.w.tell(p.name, "its replica of %s: %v -> %v, epoch %d (%v)", s.child, before, s.m.Role(), s.m.Epoch(), e)
			}
		}()
	}
	switch e := e.(type) {
	case replica.Ended:
		s.ended(e.Run)
	case replica.StartFailed:
		s.ended(e.Run)
	}
	for _, a := range s.m.Step(p.local(), e) {
		p.do(func() { s.carryOut(a) })
	}
	p.do(s.stepped)
}

func (s *slot) ended(run uint64) {
	if run == s.run {
		s.ends++
	}
}

// stepped does what follows from a step when its actions have been carried out.
func (s *slot) stepped() {
	p := s.h.p
	if s.m.LetGo() {
		s.drain = nil
		s.endHandler()
	}
	s.write()
	s.checkDrained()
	s.arm()
	if s.m.LetGo() {
		done := s.onLetGo
		s.onLetGo = nil
		for _, f := range done {
			f()
		}
	}
	if s.m.Gone() && !s.gone {
		s.gone = true
		delete(s.h.slots, s.child)
		if len(s.live) > 0 {
			p.w.breach(RuleOneRun, "%s forgets %s, and its worker still runs", p.name, s.child)
		}
		s.h.checkEmpty()
	}
}

func (s *slot) carryOut(a replica.Action) {
	p := s.h.p
	switch a := a.(type) {
	case replica.Start:
		s.begun(a.Run)
		s.made = a.Spec
		p.after(p.w.between(us, p.w.plan.Start), func() {
			if p.w.chance(p.w.plan.StartFails) && !p.w.healing {
				s.step(replica.StartFailed{Run: a.Run, Err: "no luck"})
				return
			}
			s.step(replica.Started{Run: a.Run})
		})
	case replica.Stop:
		s.stop(a)
	case replica.Open:
		s.subscribe(a.Conn, true)
	case replica.Close:
		s.subscribe(a.Conn, false)
	case replica.Ask:
		s.h.ask(s, a.Node, a.View)
	case replica.Drain:
		s.drain = &a
		if a.Work {
			s.endWork(p.w.plan.Work)
		}
	case replica.Cancel:
		s.cancel(a.Cause)
	case replica.Tell:
		s.tell(a)
	case replica.Abandon:
		s.abandonWork()
	}
}

// cancel has the handler end soon if the node may not trust itself. The handler of a replica that is demoted, or was
// given up, goes on as if it ignored its context, until it ends or the machine waits for it no more.
func (s *slot) cancel(c replica.Cause) {
	if c != replica.LeaseLost {
		return
	}
	if !s.h.p.w.unsafe.WorkUntrusted {
		s.endWork(100 * us)
	}
	n := s.handler
	s.h.p.after(s.h.p.w.between(us, 100*us), func() {
		if s.handler == n {
			s.endHandler()
		}
	})
}

// begun notes that a worker is started; the one before must have ended.
func (s *slot) begun(run uint64) {
	if len(s.live) > 0 || s.work.runs {
		s.h.p.w.breach(RuleOneRun, "%s starts a worker of %s while one runs", s.h.p.name, s.child)
	}
	s.run, s.live, s.spec = run, map[uint64]bool{run: true}, s.told
}

// stop stops a worker once its handler and its active work have ended: those of a failed worker, too, may go on.
func (s *slot) stop(a replica.Stop) {
	p := s.h.p
	stopped := func() {
		s.lingers = s.slow > 0
		p.after(max(p.w.between(us, 5*ms), s.slow), func() {
			s.slow, s.lingers = 0, false
			delete(s.live, a.Run)
			s.step(replica.Stopped{Run: a.Run})
		})
	}
	s.endWork(p.w.plan.Work)
	if s.busy || s.work.runs {
		s.stops = append(s.stops, stopped)
		return
	}
	stopped()
}

// subscribe has the server register the interest, or the end of it. What fails may be carried out nevertheless, in the order in
// which it was asked for.
func (s *slot) subscribe(number uint64, open bool) {
	h := s.h
	do := func() {
		c := h.link
		if c == nil || c.number != number {
			return
		}
		i := h.interest(s.child)
		at := max(h.p.w.now+h.p.w.latency()*2+max(0, c.outAt-h.p.w.now, c.inAt-h.p.w.now), i.until)
		ok := !h.p.w.chance(h.p.w.unflushed)
		switch {
		case ok:
			i.until = at
			h.p.w.at(at, func() { i.open = open })
		case h.p.w.chance(0.7):
			i.until = at + h.p.w.between(0, sec)
			h.p.w.at(i.until, func() { i.open = open })
		}
		h.p.after(at-h.p.w.now, func() {
			switch {
			case !h.on(c):
			case open:
				s.step(replica.Opened{Conn: number, OK: ok})
			default:
				s.step(replica.Closed{Conn: number, OK: ok})
			}
		})
	}
	if h.holding {
		h.batch = append(h.batch, do)
		return
	}
	do()
}

// write tells the loop when there is something to report.
func (s *slot) write() {
	settled, failed := s.m.Settled(), s.m.GivenUp() != nil
	if failed && !s.failed {
		s.h.p.w.tell(s.h.p.name, "gives its replica of %s up: %s", s.child, s.m.GivenUp().Err)
	}
	if settled != s.settled && settled || failed {
		s.h.news()
	}
	s.settled, s.failed = settled, failed
}

func (s *slot) arm() {
	at := s.m.Wake()
	if at == 0 || at == s.wakeAt {
		return
	}
	s.wakeAt = at
	s.h.p.after(at-s.h.p.local(), func() {
		if s.wakeAt == at {
			s.wakeAt = 0
		}
		if !s.gone {
			s.step(replica.Tick{})
		}
	})
}

// arrive is a request at the door.
func (s *slot) arrive(d int64) {
	if s.busy || s.m.Door(s.h.p.local()) != replica.Serve {
		return
	}
	s.busy, s.excused = true, false
	s.handler++
	n := s.handler
	s.h.p.after(d, func() {
		if s.handler == n {
			s.endHandler()
		}
	})
}

func (s *slot) endHandler() {
	if !s.busy {
		return
	}
	s.busy = false
	s.quiet()
	s.checkDrained()
}

// quiet has those workers stop that waited for the end of what they do.
func (s *slot) quiet() {
	if s.busy || s.work.runs {
		return
	}
	stops := s.stops
	s.stops = nil
	for _, f := range stops {
		f()
	}
}

func (s *slot) checkDrained() {
	if s.drain == nil || s.busy || s.gone || s.drain.Work && s.work.runs {
		return
	}
	e := replica.Drained{Work: s.drain.Work}
	s.drain = nil
	s.step(e)
}

// serves reports whether the replica takes a request at this instant, or handles one.
func (s *slot) serves() bool {
	return s.m.Serves(s.h.p.local()) || s.busy && !s.excused
}
