package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// faulty is a worker made of functions; nil ones do nothing.
type faulty struct {
	startFunc func() error
	runFunc   func(ctx context.Context) error
	modeFunc  func()
}

func (f *faulty) Start(context.Context, worker.Replica) error {
	if f.startFunc == nil {
		return nil
	}
	return f.startFunc()
}

func (f *faulty) Run(ctx context.Context) error {
	if f.runFunc == nil {
		<-ctx.Done()
		return nil
	}
	return f.runFunc(ctx)
}

func (f *faulty) ModeChanged(context.Context, worker.ModeChange) {
	if f.modeFunc != nil {
		f.modeFunc()
	}
}

func (f *faulty) Handle(_ context.Context, r *worker.Request) ([]byte, error) {
	switch string(r.Data) {
	case "panic":
		panic("as asked")
	case "error":
		return []byte("details"), errors.New("as\nasked")
	case "own 503":
		return nil, worker.Errorf(protocol.CodeNotActive, "a dependency is down")
	case "not handled":
		return nil, fmt.Errorf("%w: warming up", worker.ErrNotHandled)
	case "bad header":
		r.SetReplyHeader("not a name", "1")
	case "own":
		return nil, worker.Errorf(418, "a teapot")
	case "header":
		r.SetReplyHeader("X-Mine", "1")
		for _, name := range []string{"phub-node", protocol.HeaderNode, protocol.HeaderCause, protocol.HeaderErrorCode, "nats-service-error", "STATUS", "Description", "Nats-Trace-Dest", "nats-trace-only"} {
			r.SetReplyHeader(name, "503")
		}
	case "large":
		return make([]byte, 1<<20), nil
	}
	return r.Data, nil
}

// supervise runs one active child "a" of the kind, in a bubble.
func supervise(t *testing.T, kind worker.Kind, policy protocol.RestartPolicy, test func(t *testing.T, b *bus, n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", map[string]worker.Kind{"test": kind, "other": kind})
		defer n.stop(t)
		n.trust(24 * time.Hour)
		n.assign(1, active("a", 1, spec(func(s *protocol.Spec) { s.Restart.Policy = policy })), active("b", 1))
		synctest.Wait()
		test(t, b, n)
	})
}

func always(w worker.Worker) worker.Kind {
	return func(worker.Replica) (worker.Worker, error) { return w, nil }
}

func TestHost_AnswersOfHandlers(t *testing.T) {
	t.Parallel()
	supervise(t, always(&faulty{}), protocol.Permanent, func(t *testing.T, b *bus, _ *node) {
		wantReply(t, <-b.send("a", "error"), 500, "detailsas asked")
		wantReply(t, <-b.send("a", "own"), 418, "a teapot")
		wantReply(t, <-b.send("a", "large"), 413, "raise max_payload")
		r := <-b.send("a", "header")
		if r.get("X-Mine") != "1" || r.get(protocol.HeaderNode) != "n1" || r.get(protocol.HeaderEpoch) != "1" || len(r.header) != 3 {
			t.Errorf("headers: %v", r.header)
		}
	})
}

// By the cause a caller tells phub's errors from a handler's with the same code, and by the epoch whether
// the handler was given the request.
func TestHost_ErrorsOfPhubBearTheirCause(t *testing.T) {
	t.Parallel()
	kind := func(worker.Replica) (worker.Worker, error) { return &faulty{}, nil }
	supervise(t, kind, protocol.Permanent, func(t *testing.T, b *bus, _ *node) {
		for _, c := range []struct{ data, code, cause, epoch string }{
			{"error", "500", "", "1"},
			{"own 503", "503", "", "1"},
			{"large", "413", protocol.CauseReply, "1"},
			{"bad header", "500", protocol.CauseReply, "1"},
			{"not handled", "503", protocol.CauseNotActive, ""},
			{"panic", "502", protocol.CausePanic, "1"},
		} {
			r := <-b.send("a", c.data)
			if r.get(protocol.HeaderErrorCode) != c.code || r.get(protocol.HeaderCause) != c.cause || r.get(protocol.HeaderEpoch) != c.epoch {
				t.Errorf("%s: got %v, want code %s, cause %q, epoch %q", c.data, r.header, c.code, c.cause, c.epoch)
			}
		}
	})
}

func TestHost_PanicRestartsAndLosesNothingElse(t *testing.T) {
	t.Parallel()
	var made atomic.Int32
	kind := func(worker.Replica) (worker.Worker, error) { made.Add(1); return &faulty{}, nil }
	supervise(t, kind, protocol.Permanent, func(t *testing.T, b *bus, n *node) {
		first, second, other := b.send("a", "panic"), b.send("a", "next"), b.send("b", "other")
		wantReply(t, <-first, 502, "panicked: as asked")
		wantReply(t, <-second, 200, "next")
		wantReply(t, <-other, 200, "other")
		if made.Load() != 3 || n.Report().Failed != nil {
			t.Errorf("made %d, report %+v", made.Load(), n.Report())
		}
	})
}

func TestHost_GivesUp(t *testing.T) {
	t.Parallel()
	var made atomic.Int32
	kind := func(r worker.Replica) (worker.Worker, error) {
		if r.Child == "a" {
			made.Add(1)
			return nil, errors.New("no disk")
		}
		return &faulty{}, nil
	}
	supervise(t, kind, protocol.Permanent, func(t *testing.T, b *bus, n *node) {
		time.Sleep(10 * time.Second)
		failed := n.Report().Failed
		if len(failed) != 1 || failed[0].Child != "a" || failed[0].View != 1 || failed[0].Ended || !strings.Contains(failed[0].Error, "given up after 5 restarts within 10s: make worker: no disk") {
			t.Errorf("failed: %+v", failed)
		}
		if made.Load() != 6 {
			t.Errorf("made %d times", made.Load())
		}
		wantReply(t, <-b.send("b", "x"), 200, "x")
		wantReply(t, n.force("a", "x"), 503, "")
		n.assign(2, none("a", 2))
		synctest.Wait()
		if r := n.Report(); r.Failed != nil || r.Settled != 2 || r.Children != 1 {
			t.Errorf("report: %+v", r)
		}
	})
}

func TestHost_UnknownKindFailsAtOnce(t *testing.T) {
	t.Parallel()
	supervise(t, always(&faulty{}), protocol.Permanent, func(t *testing.T, _ *bus, n *node) {
		n.assign(2, passive("c", 2, spec(func(s *protocol.Spec) { s.Kind = "nope" })))
		synctest.Wait()
		failed := n.Report().Failed
		if len(failed) != 1 || !strings.Contains(failed[0].Error, `this node does not run kind "nope"; it runs: other, test`) {
			t.Errorf("failed: %+v", failed)
		}
	})
}

func TestHost_RunDecidesOverTheLife(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name   string
		policy protocol.RestartPolicy
		err    error
		panics bool
		ended  bool
		runs   int32
	}{
		{"permanent, normal end", protocol.Permanent, nil, false, false, 6},
		{"transient, normal end", protocol.Transient, nil, false, true, 1},
		{"transient, error", protocol.Transient, boom, false, false, 6},
		{"transient, panic", protocol.Transient, nil, true, false, 6},
		{"temporary, error", protocol.Temporary, boom, false, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			run := func(context.Context) error {
				runs.Add(1)
				if c.panics {
					panic("in Run")
				}
				return c.err
			}
			kind := func(r worker.Replica) (worker.Worker, error) {
				if r.Child == "a" {
					return &faulty{runFunc: run}, nil
				}
				return &faulty{}, nil
			}
			supervise(t, kind, c.policy, func(t *testing.T, _ *bus, n *node) {
				time.Sleep(20 * time.Second)
				failed := n.Report().Failed
				if len(failed) != 1 || failed[0].Ended != c.ended || runs.Load() != c.runs {
					t.Errorf("runs %d, failed %+v", runs.Load(), failed)
				}
			})
		})
	}
}

func TestHost_PanicsOutsideOfHandle(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*faulty{
		"start": {startFunc: func() error { panic("in Start") }},
		"mode":  {modeFunc: func() { panic("in ModeChanged") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			supervise(t, always(w), protocol.Temporary, func(t *testing.T, _ *bus, n *node) {
				time.Sleep(time.Minute)
				if failed := n.Report().Failed; len(failed) != 2 || !strings.Contains(failed[0].Error, "panic: in ") {
					t.Errorf("failed: %+v", failed)
				}
			})
		})
	}
}

func TestHost_MailboxIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", kindOf(newRecorder()), func(c *worker.Config) { c.Mailbox = 2 })
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		synctest.Wait()
		slow := b.send("a", "slow")
		synctest.Wait()
		one, two, three := b.send("a", "1"), b.send("a", "2"), b.send("a", "3")
		wantReply(t, <-three, 503, "too busy")
		wantReply(t, <-slow, 200, "slow")
		wantReply(t, <-one, 200, "1")
		wantReply(t, <-two, 200, "2")
	})
}

func TestHost_SignalSaysWhichModesAreTold(t *testing.T) {
	t.Parallel()
	for signal, want := range map[protocol.Signal][]string{
		protocol.SignalNone:    nil,
		protocol.SignalActive:  {"active 2 test"},
		protocol.SignalPassive: {"passive 1 test"},
		protocol.SignalAll:     {"passive 1 test", "active 2 test"},
	} {
		t.Run(string(signal), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRecorder()
				var log bytes.Buffer
				n := newNode(t, newBus(), "n1", kindOf(w), func(c *worker.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				defer n.stop(t)
				n.trust(time.Hour)
				o := spec(func(s *protocol.Spec) { s.Redundancy.Signal = signal })
				n.assign(1, passive("a", 1, o))
				synctest.Wait()
				n.assign(2, active("a", 1, o, epoch(2)))
				synctest.Wait()
				if got := w.log(); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if told := strings.Count(log.String(), "redundancy_signal is none"); told != count(signal == protocol.SignalNone) {
					t.Errorf("the log says %d times that the worker is told nothing: %s", told, log.String())
				}
			})
		})
	}
}

// A worker that starts without an error and fails right after that is not reported as running, and its restarts leave a trace.
func TestHost_ReportsRestarts(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	run := func(ctx context.Context) error {
		if runs.Add(1) <= 3 {
			time.Sleep(50 * time.Millisecond)
			return errors.New("boom " + strings.Repeat("x", 1000))
		}
		<-ctx.Done()
		return nil
	}
	kind := func(r worker.Replica) (worker.Worker, error) {
		if r.Child == "a" {
			return &faulty{runFunc: run}, nil
		}
		return &faulty{}, nil
	}
	supervise(t, kind, protocol.Permanent, func(t *testing.T, _ *bus, n *node) {
		began := time.Now()
		for range 10 { // it fails at 50, 110, 180 ms or so, and lives from 220 ms on
			time.Sleep(40 * time.Millisecond)
			if r := n.Report(); !slices.Contains(r.Waiting, "a") {
				t.Errorf("after %v the report waits for %v, expected a among them", time.Since(began), r.Waiting)
			}
		}
		time.Sleep(time.Second)
		r := n.Report()
		if len(r.Waiting) > 0 || len(r.Restarted) != 1 {
			t.Fatalf("report: %+v, expected that all runs, and one that was restarted", r)
		}
		x := r.Restarted[0]
		since, err := time.Parse(protocol.TimeLayout, x.Since)
		if x.Child != "a" || x.Restarts != 3 || !strings.HasPrefix(x.Error, "boom x") || len(x.Error) > protocol.MaxRestartError+30 || err != nil || since.Before(began.Add(100*time.Millisecond)) {
			t.Errorf("found %+v", x)
		}
		n.assign(2, none("a", 2))
		time.Sleep(time.Second)
		if r := n.Report(); r.Restarted != nil {
			t.Errorf("found %+v of a replica that is no more", r.Restarted)
		}
	})
}

// A replica that is taken away right after its start is not waited for.
func TestHost_TakenAwayBeforeItIsProven(t *testing.T) {
	t.Parallel()
	kind := always(&faulty{runFunc: func(ctx context.Context) error { <-ctx.Done(); return nil }})
	supervise(t, kind, protocol.Permanent, func(t *testing.T, _ *bus, n *node) {
		time.Sleep(50 * time.Millisecond)
		n.assign(2, none("a", 2), none("b", 2))
		time.Sleep(time.Second)
		if r := n.Report(); len(r.Waiting) > 0 || r.Settled != 2 {
			t.Errorf("found %+v, expected that all is done", r)
		}
	})
}

// Of the replicas that were restarted, a report has those that ended last.
func TestHost_RestartsInReportsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failed sync.Map // by name
		kind := func(r worker.Replica) (worker.Worker, error) {
			return &faulty{runFunc: func(ctx context.Context) error {
				if _, again := failed.LoadOrStore(r.Child, true); !again {
					n, err := strconv.Atoi(r.Child[1:])
					time.Sleep(time.Duration(n+1) * time.Millisecond)
					return errors.Join(errors.New("boom"), err)
				}
				<-ctx.Done()
				return nil
			}}, nil
		}
		n := newNode(t, newBus(), "n1", map[string]worker.Kind{"test": kind})
		defer n.stop(t)
		var many []protocol.Assignment
		for i := range 100 {
			many = append(many, passive(fmt.Sprintf("c%03d", i), 1))
		}
		n.Assign(1, many, false)
		time.Sleep(10 * time.Second)
		r := n.Report()
		if len(r.Restarted) != protocol.MaxRestarted || len(r.Waiting) > 0 {
			t.Fatalf("found %d restarted and %d that wait, expected %d and none", len(r.Restarted), len(r.Waiting), protocol.MaxRestarted)
		}
		if first := r.Restarted[0].Child; first != "c036" {
			t.Errorf("found %s as the first one, expected c036: the first 36 ended before it", first)
		}
	})
}

// Of the replicas about which there is something to know, a report has those that started last, and none that is no more.
func TestHost_NoticesInReportsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, newBus(), "n1", kindOf(newRecorder()))
		defer n.stop(t)
		signal := func(child string, view uint64, s protocol.Signal) protocol.Assignment {
			a := passive(child, view)
			spec := *a.Spec
			spec.Redundancy.Signal = s
			a.Spec, a.SpecRev = &spec, view
			return a
		}
		for i := range 100 {
			n.assign(uint64(i+1), signal(fmt.Sprintf("c%03d", i), uint64(i+1), protocol.SignalNone))
			synctest.Wait()
		}
		r := n.Report()
		if len(r.Notices) != protocol.MaxNotices || r.Notices[0].Child != "c036" || !strings.Contains(r.Notices[0].Text, "ModeChanged, which is never called") {
			t.Fatalf("found %d notices, the first %+v, expected %d from c036 on", len(r.Notices), r.Notices[0], protocol.MaxNotices)
		}
		n.assign(101, none("c099", 101), signal("c098", 101, protocol.SignalAll))
		time.Sleep(time.Second)
		synctest.Wait()
		if r := n.Report(); len(r.Notices) != protocol.MaxNotices-2 || r.Notices[len(r.Notices)-1].Child != "c097" {
			t.Errorf("found %+v, expected none of c098, which hears of its mode now, and of c099, which is gone", r.Notices)
		}
	})
}

func TestHost_ReportIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		changed := make(chan struct{}, 1)
		stuck := make(chan struct{})
		kind := func(worker.Replica) (worker.Worker, error) { <-stuck; return &faulty{}, nil }
		n := newNode(t, newBus(), "n1", map[string]worker.Kind{"test": kind}, func(c *worker.Config) {
			c.Changed = func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		})
		defer n.stop(t)
		n.assign(5, passive("first", 5))
		var many []protocol.Assignment
		for i := range protocol.MaxReported {
			many = append(many, passive("c"+strings.Repeat("x", i%100)+string(rune('a'+i/100)), 6))
		}
		n.Assign(6, many, false)
		n.assign(7)
		if r := n.Report(); r.Settled != 5 || !slices.Equal(r.Waiting, []string{"first"}) {
			t.Errorf("report: settled %d, waiting %d", r.Settled, len(r.Waiting))
		}
		n.assign(8, none("first", 8))
		close(stuck)
		time.Sleep(time.Second)
		synctest.Wait()
		<-changed
		if r := n.Report(); r.Settled != 8 || r.Waiting != nil || r.Children != protocol.MaxReported {
			t.Errorf("report: %+v", r)
		}
	})
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
