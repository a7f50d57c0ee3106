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

// diary is what several replicas' workers note down, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) has(line string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.lines, line)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("got  %q\nwant %q", d.lines, want)
	}
	d.lines = nil
}

// leader is a worker with active work, whose methods take their time.
type leader struct {
	*diary
	node   string
	mode   time.Duration // a change of mode to passive takes that long
	ending time.Duration // active work takes that long to end
	deaf   bool          // active work ignores its context
	work   func(ctx context.Context) error
}

func (l *leader) Handle(_ context.Context, r *worker.Request) ([]byte, error) {
	if string(r.Data) == "slow" {
		time.Sleep(time.Second)
		l.add("%s handled it", l.node)
	}
	return r.Data, nil
}

func (l *leader) ModeChanged(ctx context.Context, m worker.ModeChange) {
	if m.Mode == protocol.Passive && l.mode > 0 {
		select {
		case <-time.After(l.mode):
		case <-ctx.Done():
			l.add("%s: %v", l.node, context.Cause(ctx))
		}
	}
	l.add("%s %s %d", l.node, m.Mode, m.Epoch)
}

func (l *leader) RunActive(ctx context.Context, epoch uint64) error {
	l.add("%s works %d", l.node, epoch)
	if l.work != nil {
		return l.work(ctx)
	}
	<-ctx.Done()
	time.Sleep(l.ending)
	if l.deaf {
		time.Sleep(40 * time.Second)
	}
	l.add("%s rests: %v", l.node, strings.TrimPrefix(context.Cause(ctx).Error(), "phub: "))
	return ctx.Err()
}

func (l *leader) Stop(context.Context) error {
	l.add("%s stops", l.node)
	return nil
}

// In a planned change nobody is told that he is active before the one before has heard that he is passive, and has ended
// his work. The work goes on while requests are finished, which may need it.
func TestActiveWork_EndsBeforeTheSuccessorBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, d := newBus(), &diary{}
		n1 := newNode(t, b, "n1", kindOf(&leader{diary: d, node: "n1", mode: 700 * time.Millisecond, ending: 900 * time.Millisecond}))
		n2 := newNode(t, b, "n2", kindOf(&leader{diary: d, node: "n2"}))
		for _, n := range []*node{n1, n2} {
			defer n.stop(t)
			n.trust(time.Hour)
		}
		n1.assign(1, active("a", 1))
		d.want(t, "n1 active 1", "n1 works 1")
		slow := b.send("a", "slow")
		synctest.Wait()
		began := time.Now()
		n2.assign(2, active("a", 2, after("n1")))
		n1.assign(2, passive("a", 2))
		time.Sleep(200 * time.Millisecond)
		held := b.send("a", "held")
		wantReply(t, <-slow, 200, "slow")
		wantReply(t, <-held, 200, "held")
		if took := time.Since(began); took < 1900*time.Millisecond || took > 2300*time.Millisecond {
			t.Errorf("the handler took 1 s and the work 0.9 s to end; the change took %v", took)
		}
		d.want(t, "n2 passive 2", "n1 handled it", "n1 passive 2", "n1 rests: the replica is active no more", "n2 active 2", "n2 works 2")
	})
}

func TestActiveWork_IsAbandonedLikeAHandler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		l    leader
		log  string
		want []string
	}{
		"work": {leader{node: "n1", deaf: true}, "ignored_in=RunActive", []string{"n2 passive 2", "n1 passive 2", "n2 active 2", "n2 works 2"}},
		"mode": {leader{node: "n1", mode: time.Hour}, "", []string{
			"n2 passive 2", "n1 rests: the replica is active no more", "n1: phub: the replica is active no more", "n1 passive 2", "n2 active 2", "n2 works 2",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, d := newBus(), &diary{}
				c.l.diary = d
				var log bytes.Buffer
				n1 := newNode(t, b, "n1", kindOf(&c.l), func(c *worker.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				n2 := newNode(t, b, "n2", kindOf(&leader{diary: d, node: "n2"}))
				n1.trust(time.Hour)
				n2.trust(time.Hour)
				n1.assign(1, active("a", 1))
				d.want(t, "n1 active 1", "n1 works 1")
				n2.assign(2, active("a", 2, after("n1")))
				n1.assign(2, passive("a", 2))
				time.Sleep(29 * time.Second)
				if d.has("n2 active 2") {
					t.Error("waited less than 30 s")
				}
				time.Sleep(2500 * time.Millisecond)
				d.want(t, c.want...)
				if !strings.Contains(log.String(), c.log) {
					t.Errorf("log: %s", log.String())
				}
				time.Sleep(time.Minute)
				n1.stop(t)
				n2.stop(t)
			})
		})
	}
}

func TestActiveWork_EndsWithTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1", ending: 3 * time.Second}))
		defer n.stop(t)
		n.trust(time.Second)
		n.assign(1, active("a", 1))
		d.want(t, "n1 active 1", "n1 works 1")
		time.Sleep(time.Second)
		d.want(t, "n1 passive 1")
		n.trust(time.Hour) // again in the same epoch, but not before the call before has returned
		d.want(t, "n1 active 1")
		time.Sleep(3 * time.Second)
		d.want(t, "n1 rests: the node's lease ran out", "n1 works 1")
		n.Detach()
		time.Sleep(3 * time.Second)
		d.want(t, "n1 passive 1", "n1 rests: the node's lease ran out")
	})
}

// A process that was stopped wakes when its lease is over, and before any timer of it has fired. What then looks at its
// context learns that, and is called again when the lease is renewed after all.
func TestActiveWork_LooksAtTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		d := &diary{}
		look, seen := make(chan struct{}), make(chan error, 1)
		work := func(ctx context.Context) error {
			select {
			case <-look:
			case <-ctx.Done():
			}
			err := ctx.Err()
			seen <- context.Cause(ctx)
			return err
		}
		n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1", work: work}), func(c *worker.Config) {
			now := c.Now
			c.Now = func() int64 { return now() + asleep.Load() }
		})
		n.trust(time.Second)
		n.assign(1, active("a", 1))
		d.want(t, "n1 active 1", "n1 works 1")
		asleep.Store(int64(2 * time.Second))
		look <- struct{}{}
		if err := <-seen; !errors.Is(err, worker.ErrLeaseLost) {
			t.Errorf("after the lease: %v", err)
		}
		d.want(t)
		n.trust(4 * time.Second)
		d.want(t, "n1 works 1")
		n.stop(t)
		if err := <-seen; !errors.Is(err, worker.ErrStopped) {
			t.Errorf("at the stop: %v", err)
		}
	})
}

func TestActiveWork_IsForTheActiveReplicaOnlyWhateverTheSignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1"}))
		n.trust(time.Hour)
		o := spec(func(s *protocol.Spec) { s.Redundancy.Signal = protocol.SignalNone })
		n.assign(1, passive("a", 1, o))
		d.want(t)
		n.assign(2, active("a", 2, o))
		d.want(t, "n1 works 2")
		n.assign(3, active("a", 3, o)) // another epoch
		d.want(t, "n1 rests: the replica is active no more", "n1 works 3")
		n.assign(4, active("a", 4, o, epoch(3)))
		d.want(t)
		n.assign(5, active("a", 5, o, epoch(3), revision(2))) // another spec
		d.want(t, "n1 rests: the replica is being stopped", "n1 stops", "n1 works 3")
		n.assign(6, none("a", 6))
		d.want(t, "n1 rests: the replica is being stopped", "n1 stops")
		n.stop(t)
	})
}

func TestActiveWork_DecidesOverTheLife(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name   string
		policy protocol.RestartPolicy
		work   func(ctx context.Context) error
		failed string
		ended  bool
		runs   int
	}{
		{"permanent, normal end", protocol.Permanent, func(context.Context) error { return nil }, "ended without an error", false, 6},
		{"transient, normal end", protocol.Transient, func(context.Context) error { return nil }, "", true, 1},
		{"transient, error", protocol.Transient, func(context.Context) error { return boom }, "boom", false, 6},
		{"permanent, panic", protocol.Permanent, func(context.Context) error { panic("in RunActive") }, "panic: in RunActive", false, 6},
		{"temporary, error", protocol.Temporary, func(context.Context) error { return boom }, "boom", true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1", work: c.work}))
				defer n.stop(t)
				n.trust(time.Hour)
				n.assign(1, active("a", 1, spec(func(s *protocol.Spec) { s.Restart.Policy = c.policy })))
				time.Sleep(20 * time.Second)
				failed := n.Report().Failed
				if len(failed) != 1 || failed[0].Ended != c.ended || !strings.Contains(failed[0].Error, c.failed) {
					t.Errorf("failed: %+v", failed)
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				if got := strings.Count(strings.Join(d.lines, ","), "works"); got != c.runs {
					t.Errorf("ran %d times, want %d", got, c.runs)
				}
			})
		})
	}
}

// An error at its end is for the log. A panic may have left the worker in any state.
func TestActiveWork_ErrorAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func() error
		log  string
		want []string
	}{
		"error": {func() error { return errors.New("not flushed") }, "not flushed", []string{"n1 passive 2"}},
		"panic": {func() error { panic("at the end") }, "panic: at the end", []string{"n1 passive 2", "n1 stops", "n1 passive 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &diary{}
				var log bytes.Buffer
				work := func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(time.Millisecond)
					return c.end()
				}
				n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1", work: work}), func(c *worker.Config) {
					c.Logger = slog.New(slog.NewTextHandler(&log, nil))
				})
				n.trust(time.Hour)
				n.assign(1, active("a", 1))
				d.want(t, "n1 active 1", "n1 works 1")
				n.assign(2, passive("a", 2))
				n.release(t, "a", 2)
				time.Sleep(time.Second)
				d.want(t, c.want...)
				n.stop(t)
				if !strings.Contains(log.String(), c.log) {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

func TestActiveWork_IsWaitedForAtTheStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &diary{}
		n := newNode(t, newBus(), "n1", kindOf(&leader{diary: d, node: "n1", ending: 5 * time.Second}))
		n.trust(time.Hour)
		n.assign(1, active("a", 1))
		d.want(t, "n1 active 1", "n1 works 1")
		n.stop(t)
		d.want(t, "n1 rests: the replica is being stopped", "n1 stops")
	})
}
