package coordinator

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// slow is a session that does nothing but listen as the coordinator, and takes its time to begin.
type slow struct {
	Session
	mu   sync.Mutex
	done []bool
}

func (s *slow) Lead(ctx context.Context, on bool) error {
	d := 10 * time.Millisecond
	if on {
		d = 100 * time.Millisecond
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, on)
	return nil
}

// idle is a running side without replicas.
type idle struct{}

func (idle) Assign(uint64, []protocol.Assignment, bool)           {}
func (idle) Members(protocol.Incarnation, []protocol.Incarnation) {}

func (idle) Trust(int64, string)     {}
func (idle) Report() protocol.Report { return protocol.Report{} }

func newTestLoop(s Session) *loop {
	c := New(Config{
		Hub: "h", Node: "node1", Keys: protocol.NewKeys(rand.Reader), Now: func() int64 { return int64(time.Hour) },
		Local: idle{}, Logger: slog.New(slog.DiscardHandler),
	})
	return &loop{
		c: c, ctx: context.Background(), session: s, inbox: newInbox(c.cfg.Refused.Count),
		controls: map[uint64]controlAnswer{}, beats: map[uint64]beatAnswer{},
	}
}

func TestLoop_LeadIsCarriedOutInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		l := newTestLoop(s)
		want := []bool{true, false, true, false}
		for _, on := range want {
			l.start(view.Lead{On: on})
		}
		l.ops.Wait()
		if !slices.Equal(s.done, want) {
			t.Errorf("found %v, expected %v", s.done, want)
		}
	})
}

func TestLoop_ControlOfANodeThatDoesNotCoordinateIsAnswered(t *testing.T) {
	t.Parallel()
	l := newTestLoop(&slow{})
	var got *protocol.Problem
	(*handler)(l).Control("start", "", []byte("{}"), func(_ []byte, p *protocol.Problem) { got = p })
	l.drain()
	if got == nil || got.Code != protocol.CodeHandedOn {
		t.Errorf("answer: %v", got)
	}
	if len(l.controls) != 0 {
		t.Errorf("%d requests wait still", len(l.controls))
	}
}

// deaf is a session over which nothing is ever answered.
type deaf struct {
	Session
	done chan struct{}
}

func (d deaf) Done() <-chan struct{} { return d.done }

func TestLoop_GivesASessionUpOverWhichNothingIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTestLoop(deaf{})
		began := time.Now()
		time.AfterFunc(10*time.Second, func() { l.inbox.put(input{event: view.BeatAnswered{Outcome: view.Done}}) })
		time.AfterFunc(20*time.Second, func() { l.inbox.put(input{event: view.BeatAnswered{Outcome: view.OutcomeUnknown}}) })
		if left, err := l.run(); left || err != nil {
			t.Errorf("the session ended with %v, %v, want false and no error", left, err)
		}
		if d, want := time.Since(began), 25*time.Second; d < want || d > want+time.Second {
			t.Errorf("it was given up after %v, want %v: the authority, from the last answer on", d, want)
		}
	})
}

func TestLoop_SilenceOfAProcessThatStoodStillDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newTestLoop(deaf{})
		if l.isolated() {
			t.Errorf("isolated at the beginning")
		}
		time.Sleep(time.Hour)
		if l.isolated() {
			t.Errorf("isolated as soon as it goes on")
		}
	})
}
