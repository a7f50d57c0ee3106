package worker

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// slot is the place of one child on this node: its machine, the worker that runs at the moment, and
// what waits for it. A slot at rest has no goroutine. mu is held for short and never while user code
// runs; what is done under it only starts goroutines and notes things down.
type slot struct {
	h     *Host
	child string
	mode  atomic.Uint64 // epoch<<1, and 1 if active

	mu      sync.Mutex
	m       replica.Machine
	gone    bool // no longer in the host: look the child up again
	run     *run
	spec    *protocol.Spec // the newest; the worker that runs may have been made for another: see run
	mail    mailbox
	tenure  *tenure // nil until a handler needs it
	timer   *time.Timer
	timerAt int64
	drain   *replica.Drain // what the machine waits for; nil: nothing
	work    *activeWork    // that runs; nil: none
	onLetGo []func()       // called when nothing is served any more
	line    line
	ends    int  // of workers, by themselves
	proving bool // the worker started so lately that it may fail at once
}

func newSlot(h *Host, child string) *slot {
	return &slot{h: h, child: child, m: replica.New(&h.lease, &h.limits)}
}

// respec takes a child's newest spec over. A worker that runs, and now wants to be told of the mode that it has, is told.
func (s *slot) respec(spec *protocol.Spec) {
	old := s.spec
	s.spec = spec
	if old == nil || s.m.Life() != replica.Running || old.Redundancy.Signal == spec.Redundancy.Signal {
		return
	}
	if mode, epoch := s.m.Told(); mode != "" && !old.Redundancy.Signal.Tells(mode) {
		s.tell(replica.Tell{Mode: mode, Epoch: epoch, Reason: "the child's redundancy_signal is " + string(spec.Redundancy.Signal) + " now"})
	}
}

// step gives an event to the machine.
func (s *slot) step(e replica.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stepLocked(e)
}

func (s *slot) stepLocked(e replica.Event) {
	s.noteRestart(e)
	for _, a := range s.m.Step(s.h.cfg.Now(), e) {
		s.carryOut(a)
	}
	s.publish()
	s.checkWork()
	s.checkDrained()
	s.kick()
	s.arm()
	if s.m.LetGo() {
		s.letGo()
	}
	if s.m.Gone() {
		s.forget()
	}
}

func (s *slot) carryOut(a replica.Action) {
	switch a := a.(type) {
	case replica.Start:
		s.h.cfg.Logger.Debug("a replica starts", "child", s.child, "kind", a.Spec.Kind)
		s.start(a)
	case replica.Stop:
		s.h.cfg.Logger.Debug("a replica stops", "child", s.child)
		s.stop(a)
	case replica.Tell:
		s.h.cfg.Logger.Debug("a replica's mode", "child", s.child, "mode", a.Mode, "epoch", a.Epoch, "reason", a.Reason)
		s.tell(a)
	case replica.Open:
		s.h.opener.add(s, a.Conn)
	case replica.Close:
		s.h.closer.add(s, a.Conn)
	case replica.Ask:
		s.h.asker.add(s, a.Node, a.View)
	case replica.Drain:
		s.drain = &a
	case replica.Cancel:
		s.cancel(a.Cause)
	case replica.Abandon:
		s.abandon()
	}
}

// cancel has what runs end. If the replica is only demoted, its tenure goes on until the handler has ended, or is
// waited for no more.
func (s *slot) cancel(c replica.Cause) {
	cause := ErrDemoted
	switch {
	case c == replica.LeaseLost:
		cause = ErrLeaseLost
		s.endTenure(cause)
	case s.tenure != nil:
		s.tenure.cancel(cause)
	}
	if s.mail.telling != nil && c == replica.Demoted {
		s.mail.telling(cause)
	}
	if s.work != nil {
		s.work.cancel(cause)
	}
}

// abandon waits no more for what runs, or for NATS to close the subscription.
func (s *slot) abandon() {
	s.endTenure(ErrDemoted)
	stuck := s.stuck()
	if len(stuck) == 0 {
		s.h.cfg.Logger.Error("NATS did not confirm that a replica takes no more requests; that is waited for no more", "child", s.child)
		return
	}
	s.h.cfg.Logger.Error("a worker ignores that its context is cancelled, and is waited for no more; until that method returns, it is not called again",
		"child", s.child, "ignored_in", strings.Join(stuck, ", "))
}

// publish makes what the machine is now visible to those who don't hold the lock.
func (s *slot) publish() {
	m, epoch := s.m.Mode()
	word := epoch << 1
	if m == protocol.Active {
		word |= 1
	}
	s.mode.Store(word)
	if s.m.LetGo() {
		s.drain = nil
	}
	s.write()
}

// write brings the book up to date. A replica that was given up counts as waiting until it has let go.
func (s *slot) write() {
	f := s.m.GivenUp()
	now := line{
		waiting: !s.m.Settled() || s.proving && s.m.Assigned(), failed: f != nil,
		child: s.m.Assigned(), active: s.m.Role() >= replica.Active && f == nil,
	}
	if now == s.line && f == nil {
		return
	}
	var failed protocol.Failed
	if f != nil {
		now.waiting = false // it is reported as failed
		failed = protocol.Failed{Child: s.child, View: s.m.View(), Error: protocol.Cut(f.Err, protocol.MaxText), Ended: f.Ended}
	}
	s.h.book.write(s, s.line, now, failed)
	s.line = now
}

// current returns the mode at this instant: a process that was stopped may wake when its lease is over, and before the
// machine has heard of that.
func (s *slot) current() (protocol.Mode, uint64) {
	word := s.mode.Load()
	if word&1 != 0 && s.h.cfg.Now() < s.h.lease.Until() {
		return protocol.Active, word >> 1
	}
	return protocol.Passive, word >> 1
}

// checkDrained tells the machine that nothing is left of what was taken, and of what the worker did as the active one.
func (s *slot) checkDrained() {
	if s.drain == nil || !s.mail.idle() || s.drain.Work && (s.work != nil || s.untold()) {
		return
	}
	e := replica.Drained{Work: s.drain.Work}
	s.drain = nil
	s.endTenure(ErrDemoted)
	s.stepLocked(e)
}

// arm sets the timer to what the machine wants.
func (s *slot) arm() {
	at := s.m.Wake()
	if at == 0 || at == s.timerAt {
		return
	}
	s.timerAt = at
	d := time.Duration(at - s.h.cfg.Now())
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.tick)
		return
	}
	s.timer.Reset(d)
}

func (s *slot) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timerAt = 0
	if !s.gone {
		s.stepLocked(replica.Tick{})
	}
}

func (s *slot) letGo() {
	for _, f := range s.onLetGo {
		f()
	}
	s.onLetGo = nil
}

// forget takes the slot out of the host.
func (s *slot) forget() {
	if s.gone {
		return
	}
	s.gone = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.h.book.forget(s)
	s.h.remove(s)
}

// tenure is the time for which the replica is active without a break, as handlers see it: their context
// ends with it, and with the run.
type tenure struct {
	run    *run
	ctx    context.Context
	cancel context.CancelCauseFunc
	over   error // why it ended; nil before. The context may have been cancelled earlier, for another cause
}

// handlerTenure returns the present tenure, of the present run.
func (s *slot) handlerTenure() *tenure {
	if s.tenure == nil || s.tenure.run != s.run {
		s.endTenure(ErrStopped)
		ctx, cancel := context.WithCancelCause(s.run.ctx)
		s.tenure = &tenure{run: s.run, ctx: ctx, cancel: cancel}
	}
	return s.tenure
}

func (s *slot) endTenure(cause error) {
	if s.tenure != nil {
		s.tenure.over = cause
		s.tenure.cancel(cause)
		s.tenure = nil
	}
}
