package worker

import (
	"context"
	"errors"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// activeWork is one call of RunActive.
type activeWork struct {
	run    *run
	epoch  uint64
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it returned
}

// workContext ends with the lease, whether or not a timer has told: a process that was stopped may wake later.
type workContext struct {
	context.Context
	h      *Host
	cancel context.CancelCauseFunc
}

// Err ends the context if the lease is over.
func (c *workContext) Err() error {
	if c.h.cfg.Now() >= c.h.lease.Until() {
		c.cancel(ErrLeaseLost)
	}
	return c.Context.Err()
}

// checkWork has active work begin and end as the machine's mode does: one at a time, and not before the worker has heard
// that it is active. That of a worker that stops ends with its run.
func (s *slot) checkWork() {
	mode, epoch := s.m.Mode()
	if w := s.work; w != nil {
		switch {
		case mode == protocol.Active && w.epoch == epoch:
		case s.m.Assigned():
			w.cancel(ErrDemoted)
		default:
			w.cancel(ErrStopped)
		}
		return
	}
	if mode != protocol.Active || s.m.Life() != replica.Running || len(s.mail.tells) > 0 || s.mail.telling != nil {
		return
	}
	if a, ok := s.run.worker.(ActiveRunner); ok && s.m.Serves(s.h.cfg.Now()) {
		s.beginWork(a, epoch)
	}
}

func (s *slot) beginWork(a ActiveRunner, epoch uint64) {
	ctx, cancel := context.WithCancelCause(s.run.ctx)
	w := &activeWork{run: s.run, epoch: epoch, ctx: &workContext{ctx, s.h, cancel}, cancel: cancel, done: make(chan struct{})}
	s.work = w
	s.h.tasks.spawn(func() {
		err := s.guard("running its active work", func() error { return a.RunActive(w.ctx, epoch) })
		s.workReturned(w, err)
	})
}

// workReturned decides what it means that active work has returned: nothing, if it was told to end and did not panic.
func (s *slot) workReturned(w *activeWork, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := w.ctx.Err() != nil
	w.cancel(nil)
	close(w.done)
	if s.work == w {
		s.work = nil
	}
	if _, panicked := errors.AsType[*panicError](err); !told || panicked {
		s.ended(w.run, err)
		return
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.Cause(w.ctx)) {
		s.h.cfg.Logger.Warn("active work that was told to end returned an error", "child", s.child, "epoch", w.epoch, "error", err)
	}
	if !s.gone {
		s.checkWork()
		s.checkDrained()
	}
}

// ended has the machine decide what follows when Run or RunActive returned by itself. The slot's lock is held.
func (s *slot) ended(r *run, err error) {
	text := ""
	if err != nil {
		text = errorText(err.Error())
	}
	s.h.cfg.Logger.Info("a worker ended", "child", s.child, "error", text)
	r.cancel(ErrFailed)
	if !s.gone {
		s.stepLocked(replica.Ended{Run: r.id, Err: text})
	}
}

// untold reports whether the worker is still to hear, or hears at this moment, what its mode is.
func (s *slot) untold() bool {
	return s.mail.telling != nil || len(s.mail.tells) > 0 && s.m.Life() == replica.Running
}

// stuck names what is abandoned.
func (s *slot) stuck() []string {
	var names []string
	switch {
	case s.mail.telling != nil:
		names = append(names, "ModeChanged")
	case s.mail.busy:
		names = append(names, "Handle")
	}
	if s.work != nil {
		names = append(names, "RunActive")
	}
	return names
}
