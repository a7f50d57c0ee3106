package worker_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// brittle is a worker that ends with an error when it is told to. Its handlers take the time that they are asked
// to, whatever becomes of their context.
type brittle struct{ end chan struct{} }

func (w brittle) Run(ctx context.Context) error {
	select {
	case <-w.end:
		return errors.New("boom")
	case <-ctx.Done():
		return nil
	}
}

func (w brittle) Handle(_ context.Context, r *worker.Request) ([]byte, error) {
	d, err := time.ParseDuration(string(r.Data))
	time.Sleep(d)
	return r.Data, err
}

// fail has the worker end, and waits for what follows.
func (w brittle) fail() {
	w.end <- struct{}{}
	synctest.Wait()
}

// frail lets a child's worker be restarted once.
var frail = spec(func(s *protocol.Spec) { s.Restart.Max = 1 })

// A replica is given up while its handler runs, and perhaps for longer than it is waited for.
func TestHost_GivesUpWhileAHandlerRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		takes time.Duration
		then  func(n *node) // what happens when the handler is waited for no more
		code  int
		text  string
	}{
		{"in time", 700 * time.Millisecond, nil, 200, "700ms"},
		{"too late", 5 * time.Second, nil, 504, "active no more"},
		{"too late, and active again", 20 * time.Second, func(n *node) {
			n.assign(2, none("a", 2))
			n.assign(3, active("a", 3, revision(2)))
		}, 504, "active no more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := brittle{make(chan struct{})}
				b := newBus()
				n := newNode(t, b, "n1", kindOf(w))
				defer n.stop(t)
				n.trust(time.Hour)
				n.assign(1, active("a", 1, frail))
				synctest.Wait()
				w.fail()
				time.Sleep(100 * time.Millisecond) // the restart
				long := b.send("a", c.takes.String())
				synctest.Wait()
				w.fail()
				for range 6 {
					if r := n.Report(); r.Failed != nil || !slices.Equal(r.Waiting, []string{"a"}) {
						t.Errorf("while its handler runs: %+v", r)
					}
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Second)
				if r := n.Report(); len(r.Failed) != 1 || r.Waiting != nil {
					t.Errorf("when it has let go: %+v", r)
				}
				if c.then != nil {
					c.then(n)
				}
				wantReply(t, <-long, c.code, c.text)
			})
		})
	}
}

// What a handler of a failed worker returns is its answer, but not if the lease ran out meanwhile.
func TestHost_LeaseEndsWhileAFailedWorkerHandles(t *testing.T) {
	t.Parallel()
	for lost, code := range map[bool]int{false: 200, true: 504} {
		synctest.Test(t, func(t *testing.T) {
			w := brittle{make(chan struct{})}
			b := newBus()
			n := newNode(t, b, "n1", kindOf(w))
			defer n.stop(t)
			n.trust(time.Hour)
			n.assign(1, active("a", 1))
			synctest.Wait()
			long := b.send("a", "1s")
			synctest.Wait()
			w.fail()
			if lost {
				n.Trust(0, "test")
				n.trust(time.Hour)
			}
			wantReply(t, <-long, code, "")
		})
	}
}
