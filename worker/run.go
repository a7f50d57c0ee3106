package worker

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// run is one life of a worker, from its making to its end.
type run struct {
	id     uint64
	spec   *protocol.Spec
	worker Worker // set before the machine is told Started
	ctx    context.Context
	cancel context.CancelCauseFunc
	node   string
	reply  atomic.Pointer[replyHeader]

	started bool          // Start returned no error
	cleaned bool          // cleanUp was called
	made    chan struct{} // closed when the start is over
	ran     chan struct{} // closed when Run returned; nil if there is none
}

// replyHeader is what every reply of one epoch bears. It is never changed.
type replyHeader struct {
	epoch  uint64
	header map[string][]string
	size   int // of the header, in bytes
}

// closedChan is what all starts that are over share.
var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (r *run) header(epoch uint64) map[string][]string { return r.replyHeader(epoch).header }

func (r *run) replyHeader(epoch uint64) *replyHeader {
	h := r.reply.Load()
	if h == nil || h.epoch != epoch {
		h = &replyHeader{epoch: epoch, header: map[string][]string{
			protocol.HeaderNode:  {r.node},
			protocol.HeaderEpoch: {strconv.FormatUint(epoch, 10)},
		}}
		h.size = headerSize(h.header)
		r.reply.Store(h)
	}
	return h
}

// start begins a run. The slot's lock is held.
func (s *slot) start(a replica.Start) {
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &run{id: a.Run, spec: a.Spec, ctx: ctx, cancel: cancel, node: s.h.cfg.Node, made: make(chan struct{})}
	s.run, s.proving = r, false
	s.h.book.withdraw(s)
	s.mail.tells = nil
	if s.mail.busy { // the worker before was abandoned in its handler
		s.mail.loop = 0
		s.mail.unbusy()
	}
	s.work = nil // so was that one
	s.h.tasks.spawn(func() { s.make(r) })
}

// make makes the worker and starts it.
func (s *slot) make(r *run) {
	final, err := s.open(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(r.made)
	r.made = closedChan
	if err != nil {
		s.h.cfg.Logger.Warn("a replica did not start", "child", s.child, "kind", r.spec.Kind, "error", err)
		s.stepLocked(replica.StartFailed{Run: r.id, Err: errorText(err.Error()), Final: final})
		return
	}
	r.started = true
	s.warnDeaf(r)
	if r.cleaned { // it took so long that it was abandoned
		s.h.tasks.spawn(func() { s.late(r) })
		return
	}
	if w, ok := r.worker.(Runner); ok && r.ctx.Err() == nil {
		r.ran = make(chan struct{})
		ran := r.ran
		s.h.tasks.spawn(func() { s.background(r, w, ran) })
		s.prove(r)
	}
	s.stepLocked(replica.Started{Run: r.id})
}

// warnDeaf says that a worker wants to know its mode and is never told.
func (s *slot) warnDeaf(r *run) {
	_, listens := r.worker.(ModeListener)
	_, optional := r.worker.(interface{ ModeOptional() })
	if listens && !optional && r.spec.Redundancy.Signal == protocol.SignalNone {
		s.h.cfg.Logger.Warn("a worker has ModeChanged, which is never called: its child's redundancy_signal is none; start it with all, active or passive",
			"child", s.child, "kind", r.spec.Kind)
		s.h.book.notice(s, "its worker has ModeChanged, which is never called: the child's redundancy_signal is none; start it with all, active or passive")
	}
}

// proof is for how long a worker with background work runs before it is reported as running: a program that can't work ends at
// once, as a rule, after a start without an error.
const proof = 200 * time.Millisecond

// prove has a run waited for before it is reported. The slot's lock is held.
func (s *slot) prove(r *run) {
	s.proving = true
	time.AfterFunc(proof, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.run == r && !s.gone {
			s.proving = false
			s.write()
		}
	})
}

func (s *slot) open(r *run) (final bool, err error) {
	kind := s.h.cfg.Kinds[r.spec.Kind]
	if kind == nil {
		known := slices.Sorted(maps.Keys(s.h.cfg.Kinds))
		return true, fmt.Errorf("this node does not run kind %q; it runs: %s; add the kind there (--kinds, or Options.Kinds in Go), or start a node that runs it",
			r.spec.Kind, strings.Join(known, ", "))
	}
	info := Replica{
		Hub: s.h.cfg.Hub, Child: s.child, Node: s.h.cfg.Node, Kind: r.spec.Kind,
		Args: r.spec.Args, Metadata: r.spec.Metadata, slot: s,
	}
	return false, s.guard("starting", func() error {
		w, err := kind(info)
		if err != nil {
			return fmt.Errorf("make worker: %w", err)
		}
		if w == nil {
			return fmt.Errorf("make worker: kind %q made none, and no error", r.spec.Kind)
		}
		r.worker = w
		if st, ok := w.(Starter); ok {
			return st.Start(r.ctx, info)
		}
		return nil
	})
}

// panicError is what user code panicked with.
type panicError struct{ value any }

// Error says what it was.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// guard calls user code and makes an error of a panic.
func (s *slot) guard(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.h.cfg.Logger.Error("a worker panicked", "child", s.child, "while", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &panicError{p}
		}
	}()
	return f()
}

func (s *slot) background(r *run, w Runner, ran chan struct{}) {
	err := s.guard("running", func() error { return w.Run(r.ctx) })
	close(ran)
	if r.ctx.Err() != nil {
		return // it was told to: who told it says why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended(r, err)
}

// stop ends a run. The slot's lock is held.
func (s *slot) stop(a replica.Stop) {
	r := s.run
	if r == nil || r.id != a.Run {
		return
	}
	quiet := closedChan
	if s.mail.busy {
		quiet = make(chan struct{})
		s.mail.quiet = append(s.mail.quiet, quiet)
	}
	work := closedChan
	if s.work != nil {
		work = s.work.done
	}
	if !a.Graceful || s.m.Life() == replica.Starting {
		r.cancel(ErrStopped)
	}
	made := r.made
	s.h.tasks.spawn(func() { s.unmake(r, made, quiet, work, a.Graceful) })
}

// unmake waits for the end of what runs, has the worker clean up, and abandons it if that takes too long.
func (s *slot) unmake(r *run, made, quiet, work <-chan struct{}, graceful bool) {
	if graceful {
		drain := time.NewTimer(s.h.cfg.Drain)
		await(drain.C, quiet)
		drain.Stop()
	}
	r.cancel(ErrStopped)
	ctx, cancel := context.WithTimeout(context.Background(), s.h.cfg.StopTimeout)
	defer cancel()
	stuck := []string{}
	if !awaitDone(ctx, made) {
		stuck = append(stuck, "Start")
	}
	if !awaitDone(ctx, quiet) {
		stuck = append(stuck, "Handle or ModeChanged")
	}
	if !awaitDone(ctx, work) {
		stuck = append(stuck, "RunActive")
	}
	stuck = append(stuck, s.cleanUp(ctx, r)...)
	if len(stuck) > 0 {
		s.h.cfg.Logger.Error("a worker is stuck and was abandoned", "child", s.child, "ignored_in", strings.Join(stuck, ", "))
	}
	s.step(replica.Stopped{Run: r.id})
}

// cleanUp calls Stop, and waits for it and for Run.
func (s *slot) cleanUp(ctx context.Context, r *run) (stuck []string) {
	s.mu.Lock()
	started, ran := r.started, r.ran
	r.cleaned = true
	s.mu.Unlock()
	if !started {
		return nil
	}
	if w, ok := r.worker.(Stopper); ok {
		stopped := make(chan struct{})
		s.h.tasks.spawn(func() {
			defer close(stopped)
			if err := s.guard("stopping", func() error { return w.Stop(ctx) }); err != nil {
				s.h.cfg.Logger.Warn("a worker did not stop cleanly", "child", s.child, "error", err)
			}
		})
		if !awaitDone(ctx, stopped) {
			stuck = append(stuck, "Stop")
		}
	}
	if ran != nil && !awaitDone(ctx, ran) {
		stuck = append(stuck, "Run")
	}
	return stuck
}

// late cleans up after a worker whose Start returned when it was waited for no more.
func (s *slot) late(r *run) {
	ctx, cancel := context.WithTimeout(context.Background(), s.h.cfg.StopTimeout)
	defer cancel()
	s.cleanUp(ctx, r)
}

func await[T any](timeout <-chan T, done <-chan struct{}) {
	select {
	case <-done:
	case <-timeout:
	}
}

// awaitDone reports whether done came before the end of ctx, with a grace for what ends with ctx.
func awaitDone(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	case <-time.After(100 * time.Millisecond):
		return false
	}
}
