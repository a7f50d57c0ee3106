package worker_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// hanging is a kind whose handler of "hang" waits for the end of its context, and that of "ignore" for nothing but a minute.
// ended gets the cause of the context's end.
func hanging(ended chan<- error) worker.Kind {
	return func(worker.Replica) (worker.Worker, error) {
		return worker.HandlerFunc(func(ctx context.Context, r *worker.Request) ([]byte, error) {
			switch string(r.Data) {
			case "hang":
				<-ctx.Done()
				ended <- context.Cause(ctx)
			case "ignore":
				time.Sleep(time.Minute)
			case "slow":
				time.Sleep(2900 * time.Millisecond)
			}
			return r.Data, nil
		}), nil
	}
}

func limited(policy protocol.RestartPolicy) option {
	return spec(func(s *protocol.Spec) {
		s.HandlerLimit = protocol.Duration(3 * time.Second)
		s.Restart.Policy = policy
	})
}

func TestLimit_HandlerThatRunsLongerIsAnsweredForAndItsReplicaRestarted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, ended := newBus(), make(chan error, 1)
		n := newNode(t, b, "n1", map[string]worker.Kind{"test": hanging(ended)})
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1, limited(protocol.Permanent)))
		synctest.Wait()
		wantReply(t, <-b.send("a", "slow"), 200, "slow")
		began := time.Now()
		late, next := b.send("a", "hang"), b.send("a", "next")
		r := <-late
		wantReply(t, r, 504, "ran longer than 3s, the child's handler_limit")
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("answered after %v", d)
		}
		if r.get(protocol.HeaderCause) != protocol.CauseLimit || r.get(protocol.HeaderEpoch) != "1" {
			t.Errorf("headers: %v", r.header)
		}
		if cause := <-ended; cause != worker.ErrHandlerLimit {
			t.Errorf("the context ended because of: %v", cause)
		}
		wantReply(t, <-next, 200, "next")
		if d := time.Since(began); d > 3100*time.Millisecond {
			t.Errorf("the next request was served after %v", d)
		}
		if f := n.Report().Failed; f != nil {
			t.Errorf("given up: %v", f)
		}
	})
}

// One that ignores its context is abandoned like any worker that does not stop, and what it returns then is nobody's answer.
func TestLimit_HandlerThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", map[string]worker.Kind{"test": hanging(nil)})
		n.trust(time.Hour)
		n.assign(1, active("a", 1, limited(protocol.Permanent)))
		synctest.Wait()
		late := b.send("a", "ignore")
		wantReply(t, <-late, 504, "handler_limit")
		time.Sleep(11 * time.Second)
		wantReply(t, <-b.send("a", "next"), 200, "next")
		time.Sleep(time.Minute)
		if len(late) != 0 {
			t.Error("a second answer")
		}
		n.stop(t)
	})
}

func TestLimit_IsAFailureForTheRestartPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", map[string]worker.Kind{"test": hanging(make(chan error, 1))})
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(1, active("a", 1, limited(protocol.Temporary)))
		synctest.Wait()
		wantReply(t, <-b.send("a", "hang"), 504, "handler_limit")
		time.Sleep(2 * time.Second)
		failed := n.Report().Failed
		if len(failed) != 1 || !failed[0].Ended || !strings.Contains(failed[0].Error, "a handler ran longer than 3s") {
			t.Errorf("failed: %+v", failed)
		}
	})
}
