package worker

import (
	"context"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// mailbox is what waits for a replica. Changes of mode go before requests: the door decides by what
// the machine is at the moment, and the worker must have been told of that before.
type mailbox struct {
	tells    []ModeChange
	requests queue
	loop     int // number of the goroutine that empties it; 0: there is none
	loops    int
	busy     bool                    // user code runs in that goroutine
	telling  context.CancelCauseFunc // that is told its mode; nil: not so
	quiet    []chan struct{}         // closed when it does no more
}

func (b *mailbox) len() int { return b.requests.len() }

func (b *mailbox) idle() bool { return !b.busy && b.len() == 0 }

// unbusy says that the user's code returned.
func (b *mailbox) unbusy() {
	b.busy = false
	if b.telling != nil {
		b.telling(nil)
		b.telling = nil
	}
	for _, c := range b.quiet {
		close(c)
	}
	b.quiet = nil
}

// job is one thing to do for a replica, outside of its lock.
type job struct {
	in     *Incoming // nil: a change of mode
	why    string    // not empty: refuse in
	run    *run
	tenure *tenure
	epoch  uint64
	limit  *limit        // of the handler; nil: none
	max    time.Duration // for which the handler may run; 0: as long as it likes
	mode   ModeChange
	ctx    context.Context // of the change of mode
}

// arrive takes a request in.
func (s *slot) arrive(in *Incoming) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		s.h.refuse(in, s.h.noReplica(in.Child))
		return
	}
	if full := s.full(in); full != "" {
		s.mu.Unlock()
		s.h.cfg.Refused.Count(protocol.ReasonInbox)
		s.h.refuse(in, "too busy: "+full)
		return
	}
	s.h.queued.Add(in.size())
	s.mail.requests.push(in)
	s.kick()
	s.mu.Unlock()
}

// full says why there is no room for a request; "" if there is. A replica for which nothing waits takes a small one also when
// the node is full, or one slow child would stop all others.
func (s *slot) full(in *Incoming) string {
	b, size := &s.mail, in.size()
	switch {
	case b.len() >= s.h.cfg.Mailbox:
		return "as many requests as its mailbox holds wait for " + s.child + " on " + s.h.cfg.Node
	case b.len() > 0 && b.requests.size+size > s.h.cfg.MailboxBytes:
		return "as many bytes of requests as its mailbox holds wait for " + s.child + " on " + s.h.cfg.Node
	case (b.len() > 0 || size > smallRequest) && s.h.queued.Load()+size > s.h.cfg.QueueBytes:
		return "as many bytes of requests as there is room for wait on " + s.h.cfg.Node
	}
	return ""
}

// smallRequest is up to which size a request counts as small, in bytes.
const smallRequest = 16 << 10

// pop takes the first request out of the mailbox.
func (s *slot) pop() *Incoming {
	in := s.mail.requests.pop()
	s.h.queued.Add(-in.size())
	return in
}

// kick starts the goroutine that empties the mailbox, if there is something that can be done now.
func (s *slot) kick() {
	b := &s.mail
	if b.len() == 0 && len(b.tells) == 0 {
		return
	}
	if b.loop != 0 {
		s.refuseBehind()
		return
	}
	if !s.ready() {
		return
	}
	b.loops++
	b.loop = b.loops
	s.h.pool.run(shift{s, b.loop})
}

// ready reports whether there is a job for the mailbox's goroutine.
func (s *slot) ready() bool {
	if len(s.mail.tells) > 0 && s.m.Life() == replica.Running {
		return true
	}
	return s.mail.len() > 0 && s.m.Door(s.h.cfg.Now()) != replica.Hold
}

// refuseBehind refuses what waits behind a running handler, if it can't be served any more.
func (s *slot) refuseBehind() {
	if !s.mail.busy || s.mail.len() == 0 {
		return
	}
	now := s.h.cfg.Now()
	if s.m.Door(now) != replica.Refuse {
		return
	}
	why := s.why(now)
	waiting := make([]*Incoming, 0, s.mail.len())
	for s.mail.len() > 0 {
		waiting = append(waiting, s.pop())
	}
	s.h.tasks.spawn(func() {
		for _, in := range waiting {
			s.h.refuse(in, why)
		}
	})
}

func (s *slot) why(now int64) string {
	return "not active: " + s.child + " on " + s.h.cfg.Node + ": " + s.m.Why(now)
}

// empty does what waits, until nothing can be done any more.
func (s *slot) empty(n int) {
	for {
		j, ok := s.next(n)
		switch {
		case !ok:
			return
		case j.why != "":
			s.h.refuse(j.in, j.why)
		case j.in != nil:
			s.handle(&j)
		default:
			s.tellNow(&j)
		}
	}
}

// next says that the job before is done, and returns the next.
func (s *slot) next(n int) (job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mail.loop != n {
		return job{}, false // abandoned: another goroutine goes on, with another worker
	}
	if told := s.mail.telling != nil; s.mail.busy {
		s.mail.unbusy()
		if told {
			s.checkWork()
		}
	}
	j, ok := s.take()
	if !ok {
		s.mail.loop = 0
		s.checkDrained()
	}
	return j, ok
}

// take takes the next job out. Here is the door: what it returns to be served is served at once.
func (s *slot) take() (job, bool) {
	if len(s.mail.tells) > 0 && s.m.Life() == replica.Running {
		j := job{run: s.run, mode: s.mail.tells[0]}
		j.ctx, s.mail.telling = context.WithCancelCause(s.run.ctx)
		s.mail.tells = s.mail.tells[1:]
		s.mail.busy = true
		return j, true
	}
	if s.mail.len() == 0 {
		return job{}, false
	}
	now := s.h.cfg.Now()
	switch s.m.Door(now) {
	case replica.Refuse:
		return job{in: s.pop(), why: s.why(now)}, true
	case replica.Serve:
		s.mail.busy = true
		return job{in: s.pop(), run: s.run, tenure: s.handlerTenure(), epoch: s.m.Epoch(), max: s.spec.HandlerLimit.Std()}, true
	}
	return job{}, false
}

// maxTells is how many changes of mode wait while ModeChanged does not return. The last of them is the newest there is.
const maxTells = 64

// tell queues a change of mode, if the child's signal has the worker told of it.
func (s *slot) tell(t replica.Tell) {
	if _, ok := s.run.worker.(ModeListener); !ok || !s.spec.Redundancy.Signal.Tells(t.Mode) {
		return
	}
	c := ModeChange{Mode: t.Mode, Epoch: t.Epoch, Reason: t.Reason}
	if n := len(s.mail.tells); n >= maxTells {
		s.mail.tells[n-1] = c
		return
	}
	s.mail.tells = append(s.mail.tells, c)
}

func (s *slot) tellNow(j *job) {
	defer s.recovered(j.run, nil)
	j.run.worker.(ModeListener).ModeChanged(j.ctx, j.mode)
}
