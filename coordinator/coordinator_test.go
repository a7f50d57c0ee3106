package coordinator_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/protocol"
)

func TestRun_NodesJoinAndLeaveInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		nodes := hub(t, nats, "node1", "node2", "node3")
		if got := coordinators(nodes); !slices.Equal(got, []string{"node1"}) {
			t.Fatalf("coordinators: found %v, expected node1", got)
		}
		for _, n := range nodes {
			if s := n.Status(); !s.Member || !s.Connected || s.View != 3 || !n.local.trusted() {
				t.Errorf("%s: %+v, trusted %t", n.name, s, n.local.trusted())
			}
		}
		nodes[0].leave(t)
		wait(200 * time.Millisecond)
		if got := coordinators(nodes[1:]); len(got) != 1 {
			t.Errorf("coordinators after the first left: found %v, expected one", got)
		}
		nodes[1].leave(t)
		nodes[2].leave(t)
		if s := nodes[2].Status(); s.Connected || nodes[2].local.trusted() {
			t.Errorf("after leaving: %+v, trusted %t", s, nodes[2].local.trusted())
		}
		nodes[2].Leave() // again
	})
}

func TestRun_StartedChildrenAreAssigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		nodes := hub(t, nats, "node1", "node2", "node3")
		r := startChild(t, nats, "child1")
		if r.Error != nil || len(r.Replicas) != 2 {
			t.Fatalf("start: %+v", r)
		}
		holders := 0
		for _, n := range nodes {
			holders += len(n.local.children())
		}
		if holders != 2 {
			t.Errorf("replicas: found %d, expected 2", holders)
		}
	})
}

func TestRun_CrashedNodesAreReplaced(t *testing.T) {
	t.Parallel()
	for _, victim := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			nats := inmem.New()
			nodes := hub(t, nats, "node1", "node2", "node3")
			startChild(t, nats, "child1")
			nodes[victim].crash()
			wait(time.Second)
			left := slices.Delete(slices.Clone(nodes), victim, victim+1)
			if got := coordinators(left); len(got) != 1 {
				t.Fatalf("coordinators: found %v, expected one", got)
			}
			for _, n := range left {
				if got := n.local.children(); !slices.Equal(got, []string{"child1"}) {
					t.Errorf("%s runs %v, expected child1", n.name, got)
				}
			}
			again := start(t, nats, nodes[victim].name)
			<-again.Admitted()
			if !again.Status().Member {
				t.Errorf("restarted: %+v", again.Status())
			}
		})
	}
}

func TestRun_CutSessionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		nodes := hub(t, nats, "node1", "node2")
		wait(2 * time.Second)
		for _, n := range nodes {
			before := len(n.openings())
			nats.Cut(n.session())
			synctest.Wait()
			wait(400 * time.Millisecond) // if the others saw the end of the old one before the new one, it joins again when its departure is settled
			if got := len(n.openings()); got != before+1 {
				t.Errorf("%s opened %d sessions, expected %d", n.name, got, before+1)
			}
			s := n.Status()
			if !s.Connected || !s.Member || !n.local.trusted() {
				t.Errorf("%s after its connection was cut: %+v, trusted %t", n.name, s, n.local.trusted())
			}
			wait(2 * time.Second)
		}
	})
}

func TestRun_NoTrustWithoutConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		n := start(t, nats, "node1")
		<-n.Admitted()
		wait(time.Second)
		n.mu.Lock()
		n.refuse = errors.New("no route")
		n.mu.Unlock()
		nats.Cut(n.session())
		wait(time.Millisecond)
		if n.local.trusted() || n.Status().Connected {
			t.Errorf("trusted %t, status %+v", n.local.trusted(), n.Status())
		}
	})
}

func TestRun_ControlRequestsAreAnsweredWhenTheRoleIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		nodes := hub(t, nats, "node1", "node2", "node3")
		for _, n := range nodes { // nothing gets settled, so that the answer waits
			n.local.hold()
		}
		answered := make(chan inmem.Msg, 1)
		go func() {
			spec := protocol.Spec{Child: "child1", Kind: "echo"}
			m, err := control(t, nats, protocol.VerbStart, protocol.StartRequest{Children: []protocol.Spec{spec}, Wait: protocol.Duration(time.Minute)}, nil)
			if err != nil {
				t.Errorf("control: %v", err)
			}
			answered <- m
		}()
		wait(100 * time.Millisecond)
		rec, _ := nats.Value("h", protocol.NodesBucket, "node1")
		known, err := protocol.DecodeNodeRecord(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		known.Status, known.By = protocol.Lost, "node4" // somebody fenced it
		keys := protocol.NewKeys(rand.Reader)
		known.Fencer, known.Sig = keys.NewID(), ""
		value, err := json.Marshal(known)
		if err != nil {
			t.Fatal(err)
		}
		known.Sig = keys.Sign(protocol.SignedText(value))
		s := nats.Open(inmem.Config{Hub: "h", Node: "outside"})
		defer s.Close()
		if _, err := s.WriteNode(t.Context(), known, rec.Revision); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case m := <-answered:
			if !strings.Contains(string(m.Data), "coordinator changed") {
				t.Errorf("answer: %s", m.Data)
			}
		default:
			t.Fatal("the request was not answered when the role was lost")
		}
	})
}

func TestRun_ReturnsWhatWaitingWontMend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		hub(t, nats, "node1")
		gone := errors.New("no JetStream")
		for _, c := range []struct {
			what, name string
			o          option
			is         func(error) bool
		}{
			{"a permanent error of open", "node2", refusing(errors.Join(coordinator.ErrPermanent, gone)), func(err error) bool { return errors.Is(err, gone) }},
			{"a name that a living node has", "node1", nil, func(err error) bool {
				p := problem(err)
				return p != nil && p.Code == protocol.CodeConflict && strings.Contains(p.Message, "node1") && p.Try != ""
			}},
			{"another configuration", "node3", want(protocol.Config{Lease: protocol.Duration(7 * time.Second)}), func(err error) bool {
				p := problem(err)
				return p != nil && strings.Contains(p.Message, "7s") && strings.Contains(p.Message, "2s")
			}},
		} {
			options := []option{}
			if c.o != nil {
				options = append(options, c.o)
			}
			n := start(t, nats, c.name, options...)
			<-n.done
			if !c.is(n.err) {
				t.Errorf("%s: Run returned %v", c.what, n.err)
			}
			if len(n.openings()) != 1 {
				t.Errorf("%s: opened %d times", c.what, len(n.openings()))
			}
		}
	})
}

func TestRun_ReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		n := start(t, nats, "node1")
		<-n.Admitted()
		n.crash()
		if !errors.Is(n.err, context.Canceled) {
			t.Errorf("Run returned %v", n.err)
		}
		if n.local.trusted() {
			t.Error("still trusted")
		}
	})
}

// gaps returns the times between openings.
func gaps(at []time.Time) []time.Duration {
	var d []time.Duration
	for i := 1; i < len(at); i++ {
		d = append(d, at[i].Sub(at[i-1]))
	}
	return d
}

func TestRun_BacksOffWhileNothingOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, inmem.New(), "node1", refusing(errors.New("no route")))
		wait(10 * time.Second)
		checkBackOff(t, gaps(n.openings()))
	})
}

func TestRun_WarnsOnceOfEachReasonForWhichNothingOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		nats := inmem.New()
		n := start(t, nats, "node1", func(_ *node, c *coordinator.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		<-n.Admitted()
		for i, step := range []struct {
			refuse   error
			warnings int // so far
		}{
			{errors.New("no route"), 1},
			{errors.New("no route"), 1},
			{errors.New("refused"), 2},
			{nil, 2},
			{errors.New("refused"), 3}, // it was over meanwhile
		} {
			n.mu.Lock()
			n.refuse = step.refuse
			n.mu.Unlock()
			nats.Cut(n.session())
			wait(10 * time.Second)
			if got := strings.Count(log.String(), "msg=connect"); got != step.warnings {
				t.Errorf("step %d, %v: found %d warnings, expected %d, in\n%s", i, step.refuse, got, step.warnings, log.String())
			}
		}
	})
}

func TestRun_LeavesWhenNothingOpens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("no route")
		for _, after := range []time.Duration{0, time.Minute} {
			n := start(t, inmem.New(), "node1", refusing(gone))
			wait(after)
			began := time.Now()
			n.Leave()
			<-n.done
			if took := time.Since(began); !errors.Is(n.err, coordinator.ErrUntold) || !errors.Is(n.err, gone) || took > 2*time.Second {
				t.Errorf("after %v: Run returned %v in %v", after, n.err, took)
			}
		}
	})
}

// deaf is a session whose Serve fails at once.
type deaf struct{ *inmem.Session }

func (deaf) Serve(context.Context, coordinator.Handler) error { return errors.New("no interest") }

func TestRun_BacksOffWhileSessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, inmem.New(), "node1", wrapped(func(s *inmem.Session) coordinator.Session { return deaf{s} }))
		wait(10 * time.Second)
		checkBackOff(t, gaps(n.openings()))
	})
}

func checkBackOff(t *testing.T, gaps []time.Duration) {
	t.Helper()
	for i, d := range gaps {
		if want := min(5*time.Millisecond<<i, time.Second); d != want {
			t.Errorf("pause %d: found %v, expected %v", i, d, want)
		}
	}
	if len(gaps) < 10 || len(gaps) > 20 {
		t.Errorf("found %d openings in 10 s", len(gaps)+1)
	}
}
