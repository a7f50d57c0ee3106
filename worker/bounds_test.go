package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// TestHost_ReportsAllThatFailAtOnce has more replicas fail in one view than one report holds: whoever takes from the node what
// it reports hears of all of them in the end.
func TestHost_ReportsAllThatFailAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const children = 3*protocol.MaxReported + 1
		n := newNode(t, newBus(), "n1", nil) // it knows no kind, so all fail at once
		defer n.stop(t)
		n.trust(time.Hour)
		all := make([]protocol.Assignment, children)
		for i := range all {
			all[i] = active(fmt.Sprintf("c%04d", i), 6)
		}
		n.assign(6, all...)
		synctest.Wait()
		heard, view := map[string]bool{}, uint64(6)
		for range 4 {
			r := n.Report()
			if len(r.Failed) == 0 || len(r.Failed) > protocol.MaxReported {
				t.Fatalf("a report has %d failed replicas, after %d were heard of", len(r.Failed), len(heard))
			}
			if settled := r.Settled >= 6; settled != (len(heard)+len(r.Failed) == children) {
				t.Errorf("settled %d with %d and %d of %d", r.Settled, len(heard), len(r.Failed), children)
			}
			view++
			var gone []protocol.Assignment
			for _, f := range r.Failed {
				heard[f.Child] = true
				gone = append(gone, none(f.Child, view))
			}
			n.assign(view, gone...)
			synctest.Wait()
		}
		if r := n.Report(); len(heard) != children || len(r.Failed) != 0 || r.Settled != view {
			t.Errorf("heard of %d of %d; at last settled %d, failed %d", len(heard), children, r.Settled, len(r.Failed))
		}
	})
}

// TestHost_TextsOfWorkersAreCut has workers fail with 2 MB of text, in each way in which one can.
func TestHost_TextsOfWorkersAreCut(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("\x1b<\u2028\xff", 2<<20/6)
	for name, c := range map[string]struct {
		w        *faulty
		children int
	}{
		"start":       {&faulty{startFunc: func() error { return errors.New(text) }}, 600},
		"start panic": {&faulty{startFunc: func() error { panic(text) }}, 20},
		"mode panic":  {&faulty{modeFunc: func() { panic(text) }}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, newBus(), "n1", kindOf(c.w))
				defer n.stop(t)
				n.trust(time.Hour)
				all := make([]protocol.Assignment, c.children)
				for i := range all {
					all[i] = active(fmt.Sprintf("c%03d", i), 6, spec(func(s *protocol.Spec) { s.Restart.Max = 1 }))
				}
				n.assign(6, all...)
				time.Sleep(time.Minute)
				r := n.Report()
				data, err := json.Marshal(r)
				if err != nil || len(data) > 300<<10 || len(r.Failed) == 0 {
					t.Fatalf("the report has %d bytes and %d failed replicas: %v", len(data), len(r.Failed), err)
				}
				if e := r.Failed[0].Error; len(e) > protocol.MaxText || !strings.Contains(e, " bytes)") {
					t.Errorf("got %d bytes: %q", len(e), e)
				}
			})
		})
	}
}

// slowOne takes requests, and answers when it is told to.
func slowOne(more chan struct{}) worker.Worker {
	return worker.HandlerFunc(func(context.Context, *worker.Request) ([]byte, error) { <-more; return nil, nil })
}

func TestHost_MailboxIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const payload = 900_000
		more, count := make(chan struct{}), &refused.Counter{}
		b := newBus()
		n := newNode(t, b, "n1", kindOf(slowOne(more)), func(c *worker.Config) {
			c.MailboxBytes, c.QueueBytes, c.Refused = 10*payload, 24*payload+13_000, count
		})
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1), active("b", 1), active("c", 1), active("d", 1))
		synctest.Wait()
		big := strings.Repeat("x", payload)
		refusals := map[string]int{}
		for _, child := range []string{"a", "b", "c"} {
			b.send(child, big) // in the handler's hands
			synctest.Wait()
			for range 100 {
				c := b.send(child, big)
				synctest.Wait()
				select {
				case r := <-c:
					wantReply(t, r, 503, "too busy: as many bytes of requests as")
					refusals[child]++
				default:
				}
			}
		}
		// 9 of a, and of b: with what each holds beside the payload, 10 are more than 10 payloads. Then 6 of c: the node is full.
		if want := "map[a:91 b:91 c:94]"; fmt.Sprint(refusals) != want {
			t.Errorf("refused %v, want %s", refusals, want)
		}
		if got := count.Counts()[protocol.ReasonInbox]; got != 276 {
			t.Errorf("counted %d, want 276", got)
		}
		small := strings.Repeat("x", 10_000)
		b.send("d", small) // in the handler's hands
		synctest.Wait()
		waits := b.send("d", small)
		wantReply(t, <-b.send("d", small), 503, "too busy: as many bytes of requests as there is room for wait on n1")
		close(more)
		wantReply(t, <-waits, 200, "")
		wantReply(t, <-b.send("a", big), 200, "")
	})
}

// TestHost_ReportMindsWhatNATSCarries has an account that carries 16 kB: a heartbeat that it does not carry would cost the node its lease.
func TestHost_ReportMindsWhatNATSCarries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		kinds := map[string]worker.Kind{
			"test": func(worker.Replica) (worker.Worker, error) { return nil, errors.New(strings.Repeat("x", 5000)) },
			"slow": func(worker.Replica) (worker.Worker, error) { <-stuck; return nil, errors.New("too late") },
		}
		n := newNode(t, newBus(), "n1", kinds)
		defer n.stop(t)
		n.Detach()
		n.max = 16 << 10
		if err := n.Attach(n.port); err != nil {
			t.Fatal(err)
		}
		n.trust(time.Hour)
		var all []protocol.Assignment
		for i := range 600 {
			name := fmt.Sprintf("%s%03d", strings.Repeat("c", 120), i)
			all = append(all, active(name+"a", 6), active(name+"b", 6, spec(func(s *protocol.Spec) { s.Kind = "slow" })))
		}
		n.assign(6, all...)
		time.Sleep(time.Minute)
		r := n.Report()
		data, err := json.Marshal(r)
		if err != nil || len(data) > n.max/2+200 || len(r.Failed) == 0 || r.Settled >= 6 {
			t.Errorf("the report has %d bytes, %d waiting and %d failed, settled %d: %v", len(data), len(r.Waiting), len(r.Failed), r.Settled, err)
		}
		close(stuck)
	})
}

// TestHost_ModesThatWaitAreBounded has a worker that does not return from ModeChanged while its mode changes 300 times.
func TestHost_ModesThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		more := make(chan struct{})
		w := &listener{more: more}
		n := newNode(t, newBus(), "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Hour)
		view := uint64(1)
		n.assign(view, passive("a", view))
		synctest.Wait()
		for range 150 {
			view += 2
			n.assign(view-1, active("a", view-1))
			synctest.Wait()
			n.assign(view, passive("a", view))
			synctest.Wait()
		}
		view++
		n.assign(view, active("a", view))
		close(more)
		synctest.Wait()
		if got := len(w.told); got < 60 || got > 66 {
			t.Errorf("told of %d changes, want about 64", got)
		}
		if last := w.told[len(w.told)-1]; last.Mode != protocol.Active || last.Epoch != view {
			t.Errorf("told of %+v at last, want active in epoch %d", last, view)
		}
	})
}

// listener waits in ModeChanged.
type listener struct {
	more chan struct{}
	told []worker.ModeChange
}

func (*listener) Handle(context.Context, *worker.Request) ([]byte, error) { return nil, nil }

func (l *listener) ModeChanged(_ context.Context, m worker.ModeChange) {
	<-l.more
	l.told = append(l.told, m)
}

// TestHost_WhatFailsLateIsNotSettled has replicas of view 6, which were assigned with view 8, fail after view 9: those that a report
// leaves out do not count as running by view 6.
func TestHost_WhatFailsLateIsNotSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		w := &faulty{startFunc: func() error { <-slow; return errors.New("out of order") }}
		n := newNode(t, newBus(), "n1", kindOf(w))
		defer n.stop(t)
		n.trust(time.Hour)
		all := make([]protocol.Assignment, protocol.MaxReported+1)
		for i := range all {
			all[i] = active(fmt.Sprintf("c%04d", i), 6, spec(func(s *protocol.Spec) { s.Restart.Policy = protocol.Temporary }))
		}
		n.assign(7)
		n.assign(8, all...) // as after a read of what was missed
		n.assign(9)
		close(slow)
		synctest.Wait()
		if r := n.Report(); len(r.Failed) != protocol.MaxReported || r.Settled >= 6 {
			t.Errorf("settled %d with %d of %d failed replicas named", r.Settled, len(r.Failed), len(all))
		}
	})
}
