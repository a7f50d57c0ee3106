package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

func wantReply(t *testing.T, r reply, code int, text string) {
	t.Helper()
	got := string(r.data) + r.get(protocol.HeaderError)
	if r.code() != code || !strings.Contains(got, text) {
		t.Errorf("reply: got %d %q, want %d with %q", r.code(), got, code, text)
	}
}

func TestHost_ServesWhatIsActive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(7, active("a", 7), passive("b", 7))
		synctest.Wait()
		r := <-b.send("a", "hello")
		wantReply(t, r, 200, "hello")
		if r.get(protocol.HeaderNode) != "n1" || r.get(protocol.HeaderEpoch) != "7" {
			t.Errorf("headers: %v", r.header)
		}
		wantReply(t, n.force("b", "x"), 503, "not active: b on n1: the replica is passive")
		wantReply(t, n.force("c", "x"), 503, "no replica of c is on n1")
		if n.isOpen("b") {
			t.Error("a passive replica takes requests")
		}
		want := protocol.Report{Settled: 7, Children: 2, Active: 1}
		if got := n.Report(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("report: got %+v, want %+v", got, want)
		}
		if got := fmt.Sprint(n.Replicas()); got != "[{a test active 7 active running 7 } {b test passive 7 passive running 7 }]" {
			t.Errorf("replicas: %s", got)
		}
	})
}

func TestHost_LeaseEndsAtTheDoor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n := newNode(t, b, "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Second)
		n.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "wait")
		time.Sleep(time.Second)
		wantReply(t, <-slow, 504, "lease ran out")
		wantReply(t, n.force("a", "x"), 503, "the lease of this node ran out")
		n.trust(time.Second)
		synctest.Wait()
		wantReply(t, <-b.send("a", "again"), 200, "again")
		n.Trust(0, "told so")
		wantReply(t, n.force("a", "x"), 503, "the lease of this node ran out")
		synctest.Wait()
		want := []string{"active 1 test", "wait", "passive 1 lease_lost", "active 1 test", "again", "passive 1 lease_lost"}
		if got := w.log(); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A process that was stopped wakes when its lease is over, and before any timer of it has fired.
func TestReplica_ModeMindsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		var r worker.Replica
		kind := func(made worker.Replica) (worker.Worker, error) {
			r = made
			return worker.HandlerFunc(func(context.Context, *worker.Request) ([]byte, error) { return nil, nil }), nil
		}
		n := newNode(t, newBus(), "n1", map[string]worker.Kind{"test": kind}, func(c *worker.Config) {
			now := c.Now
			c.Now = func() int64 { return now() + asleep.Load() }
		})
		n.assign(1, active("a", 1))
		n.trust(time.Second)
		synctest.Wait()
		if r.Mode() != protocol.Active {
			t.Errorf("with trust: %s", r.Mode())
		}
		asleep.Store(int64(2 * time.Second))
		if r.Mode() != protocol.Passive {
			t.Errorf("when the lease is over: %s", r.Mode())
		}
		asleep.Store(0)
		n.stop(t)
	})
}

func TestHost_LossOfTrustIsAWarningUnlessTheNodeLeaves(t *testing.T) {
	t.Parallel()
	for reason, level := range map[string]string{"fenced": "level=WARN", string(protocol.Left): "level=DEBUG"} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			n := newNode(t, newBus(), "n1", nil, func(c *worker.Config) {
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			n.trust(time.Second)
			n.Trust(0, reason)
			n.stop(t)
			if got := log.String(); !strings.Contains(got, level) || !strings.Contains(got, "reason="+reason) {
				t.Errorf("trust ended because of %q: got %q in the log, want %s", reason, got, level)
			}
		})
	}
}

func TestHost_LeaseIsRenewedWithoutABreak(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n := newNode(t, b, "n1", kindOf(w))
		defer n.stop(t)
		n.assign(1, active("a", 1))
		synctest.Wait()
		for range 20 {
			n.trust(time.Second)
			time.Sleep(600 * time.Millisecond)
			wantReply(t, <-b.send("a", "x"), 200, "x")
		}
		if got := slices.DeleteFunc(w.log(), func(s string) bool { return s == "x" }); len(got) != 2 {
			t.Errorf("told %q, want only: without a lease, then active", got)
		}
	})
}

func TestHost_DetachMakesAllPassive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n := newNode(t, b, "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "wait")
		synctest.Wait()
		n.Detach()
		wantReply(t, <-slow, 504, "a on n1 lost its role")
		n.trust(time.Hour) // granted over the connection that is gone
		wantReply(t, n.force("a", "x"), 503, "lost the connection")
		if err := n.Attach(b.port("n1")); err != nil {
			t.Fatal(err)
		}
		if err := n.Attach(b.port("n1")); !errors.Is(err, worker.ErrAttached) {
			t.Errorf("second Attach: %v", err)
		}
		wantReply(t, <-b.send("a", "x"), 0, "")
		n.trust(time.Hour)
		synctest.Wait()
		wantReply(t, <-b.send("a", "x"), 200, "x")
	})
}

func TestHost_Handover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w1, w2 := newRecorder(), newRecorder()
		n1, n2 := newNode(t, b, "n1", kindOf(w1)), newNode(t, b, "n2", kindOf(w2))
		defer n1.stop(t)
		defer n2.stop(t)
		n1.trust(time.Hour)
		n2.trust(time.Hour)
		n1.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "slow") // takes 1 s
		synctest.Wait()
		n2.assign(2, active("a", 2, after("n1")))
		time.Sleep(100 * time.Millisecond)
		if !n1.isOpen("a") || !n2.isOpen("a") {
			t.Fatal("the release was asked for by a view that the node does not know: it is to go on")
		}
		n1.assign(2, passive("a", 2))
		synctest.Wait()
		if n1.isOpen("a") || !n2.isOpen("a") {
			t.Fatal("the release was asked for: only the successor is to take requests")
		}
		held := b.send("a", "held")
		if got := n2.Report(); got.Settled != 2 || !slices.Equal(got.Waiting, []string{"a"}) {
			t.Errorf("the successor's report: %+v", got)
		}
		wantReply(t, <-slow, 200, "slow")
		r := <-held
		wantReply(t, r, 200, "held")
		if r.get(protocol.HeaderNode) != "n2" || r.get(protocol.HeaderEpoch) != "2" {
			t.Errorf("held request: %v", r.header)
		}
		synctest.Wait()
		if got, want := w1.log(), []string{"active 1 test", "slow", "passive 2 test"}; !slices.Equal(got, want) {
			t.Errorf("n1: got %q, want %q", got, want)
		}
		if got, want := w2.log(), []string{"passive 2 test", "active 2 test", "held"}; !slices.Equal(got, want) {
			t.Errorf("n2: got %q, want %q", got, want)
		}
		if n1.Report().Waiting != nil || n2.Report().Waiting != nil {
			t.Errorf("not settled: %+v %+v", n1.Report(), n2.Report())
		}
	})
}

func TestHost_PredecessorGoesOnUntilAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		n.assign(2, passive("a", 2))
		time.Sleep(time.Minute)
		r := <-b.send("a", "x")
		wantReply(t, r, 200, "x")
		if r.get(protocol.HeaderEpoch) != "1" || !slices.Equal(n.Report().Waiting, []string{"a"}) {
			t.Errorf("epoch %s, report %+v", r.get(protocol.HeaderEpoch), n.Report())
		}
	})
}

func TestHost_HeldTooLongIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n2", echo())
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(2, active("a", 2, after("n1"))) // which does not answer
		synctest.Wait()
		start := time.Now()
		wantReply(t, <-b.send("a", "x"), 503, "has not let go yet")
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("held for %v", d)
		}
		n.assign(3, active("a", 2, epoch(3)))
		wantReply(t, <-b.send("a", "x"), 200, "x")
	})
}

func TestHost_DrainRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n1, n2 := newNode(t, b, "n1", kindOf(w)), newNode(t, b, "n2", echo())
		defer n1.stop(t)
		defer n2.stop(t)
		n1.trust(time.Hour)
		n2.trust(time.Hour)
		n1.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "wait")
		synctest.Wait()
		start := time.Now()
		n1.assign(2, passive("a", 2))
		n2.assign(2, active("a", 2, after("n1")))
		wantReply(t, <-slow, 504, "active no more")
		if d := time.Since(start); d < 30*time.Second || d > 31*time.Second {
			t.Errorf("cancelled after %v", d)
		}
		time.Sleep(time.Second)
		wantReply(t, <-b.send("a", "x"), 200, "x")
	})
}

func TestHost_ResetStopsWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n := newNode(t, b, "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1), active("b", 1))
		synctest.Wait()
		n.Assign(9, []protocol.Assignment{active("b", 9)}, true)
		synctest.Wait()
		if got := n.Replicas(); len(got) != 1 || got[0].Child != "b" || got[0].Epoch != 9 {
			t.Errorf("left: %+v", got)
		}
		if n.isOpen("a") || !n.isOpen("b") || w.stops.Load() != 1 {
			t.Errorf("open: a %t, b %t; stops %d", n.isOpen("a"), n.isOpen("b"), w.stops.Load())
		}
	})
}

func TestHost_NewSpecLosesNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		w := newRecorder()
		n := newNode(t, b, "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		first, second := b.send("a", "slow"), b.send("a", "next")
		synctest.Wait()
		n.assign(2, active("a", 2, revision(2)))
		wantReply(t, <-first, 200, "slow")
		wantReply(t, <-second, 200, "next")
		if w.stops.Load() != 1 || w.starts.Load() != 2 {
			t.Errorf("starts %d, stops %d", w.starts.Load(), w.stops.Load())
		}
	})
}

func TestHost_OpenIsTriedAgainAndBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		defer n.stop(t)
		n.trust(time.Hour)
		var standby, promoted []protocol.Assignment
		for i := range 2500 {
			name := fmt.Sprintf("c%d", i)
			standby = append(standby, passive(name, 1))
			promoted = append(promoted, active(name, 1, epoch(2)))
		}
		n.Assign(1, standby, false)
		synctest.Wait()
		n.failing = 1
		n.Assign(2, promoted, false)
		synctest.Wait()
		if n.opens.Load() != 3 || n.Report().Active != 2500 || len(n.Report().Waiting) > protocol.MaxReported {
			t.Errorf("%d calls, report %+v", n.opens.Load(), n.Report())
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if n.opens.Load() > 20 || !n.isOpen("c0") || !n.isOpen("c2499") || n.Report().Active != 2500 || n.Report().Settled != 2 {
			t.Errorf("%d calls, report %+v", n.opens.Load(), n.Report())
		}
	})
}

func TestHost_StopFinishesWhatWasTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", kindOf(newRecorder()))
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "slow")
		synctest.Wait()
		n.stop(t)
		wantReply(t, <-slow, 200, "slow")
		n.assign(2, active("b", 2))
		if err := n.Attach(b.port("n1")); !errors.Is(err, worker.ErrAttached) && !errors.Is(err, worker.ErrHostStopped) {
			t.Errorf("Attach: %v", err)
		}
		n.stop(t)
	})
}

func TestHost_StuckWorkerIsAbandoned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		end := make(chan struct{})
		n := newNode(t, b, "n1", kindOf(worker.HandlerFunc(func(context.Context, *worker.Request) ([]byte, error) {
			<-end
			return nil, nil
		})))
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		b.send("a", "x")
		second := b.send("a", "y")
		n.assign(2, none("a", 2))
		wantReply(t, <-second, 503, "letting go")
		time.Sleep(time.Minute)
		if len(n.Replicas()) != 0 || n.Report().Waiting != nil {
			t.Errorf("still there: %v %+v", n.Replicas(), n.Report())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Stop(ctx); err == nil {
			t.Error("Stop does not tell of what was abandoned")
		}
		close(end)
	})
}

// recorder is a worker that notes what it is told. "wait" waits for the end of its context, "slow"
// takes a second.
type recorder struct {
	mu     sync.Mutex
	lines  []string
	starts atomic.Int32
	stops  atomic.Int32
}

func newRecorder() *recorder { return &recorder{} }

func (w *recorder) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, s)
}

func (w *recorder) log() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

func (w *recorder) Start(context.Context, worker.Replica) error { w.starts.Add(1); return nil }
func (w *recorder) Stop(context.Context) error                  { w.stops.Add(1); return nil }

func (w *recorder) ModeChanged(_ context.Context, m worker.ModeChange) {
	w.note(fmt.Sprintf("%s %d %s", m.Mode, m.Epoch, m.Reason))
}

func (w *recorder) Handle(ctx context.Context, r *worker.Request) ([]byte, error) {
	w.note(string(r.Data))
	switch string(r.Data) {
	case "wait":
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case "slow":
		time.Sleep(time.Second)
	}
	return r.Data, nil
}

// What is assigned while the host is being stopped is not started: nobody would end it.
func TestHost_StopsBesideAnAssignment(t *testing.T) {
	t.Parallel()
	for range 20 {
		h := worker.New(worker.Config{Hub: "h", Node: "n", Kinds: echo(), Logger: slog.New(slog.DiscardHandler)})
		done := make(chan struct{})
		begun := make(chan struct{})
		go func() {
			defer close(done)
			for view := uint64(1); view <= 20; view++ {
				changes := make([]protocol.Assignment, 100)
				for i := range changes {
					changes[i] = active(fmt.Sprintf("c%d-%d", view, i), view)
				}
				h.Assign(view, changes, view%2 == 0)
				if view == 1 {
					close(begun)
				}
			}
		}()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := h.Stop(ctx)
		if err != nil || ctx.Err() != nil {
			t.Errorf("found %v, %v; expected all replicas to end", err, ctx.Err())
		}
		cancel()
		<-done
		if left := h.Replicas(); len(left) > 0 {
			t.Errorf("%d replicas are left", len(left))
		}
	}
}
