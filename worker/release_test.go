package worker_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// A release is answered once the node follows the view by which it is asked for, also for a child that it does not hold:
// an entry of before that may still be on its way.
func TestHost_ReleaseIsAnsweredByAViewThatIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		other := b.port("n2")
		if err := other.Serve(nil); err != nil {
			t.Fatal(err)
		}
		defer n.stop(t)
		ask := func(want ...string) {
			t.Helper()
			a, err := other.AskRelease(t.Context(), "n1", asks(protocol.Release{Child: "a", View: 5}, protocol.Release{Child: "b", View: 5}))
			if err != nil || !slices.Equal(a.Released, want) {
				t.Errorf("released: %v %v, expected %v", a, err, want)
			}
		}
		n.trust(time.Hour)
		ask()
		n.assign(4, active("a", 4)) // it was on its way
		synctest.Wait()
		wantReply(t, <-b.send("a", "x"), 200, "x")
		ask()
		wantReply(t, <-b.send("a", "x"), 200, "x")
		time.AfterFunc(100*time.Millisecond, func() { n.assign(5, none("a", 5)) })
		ask("a", "b")
		n.assign(6, active("a", 6))
		synctest.Wait()
		wantReply(t, <-b.send("a", "x"), 200, "x")
		n.trust(0)
		ask()
	})
}

// Anybody may name a view. One that no entry of the child bears does not silence it.
func TestHost_StrayReleaseSilencesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		other := b.port("n2")
		if err := other.Serve(nil); err != nil {
			t.Fatal(err)
		}
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(4, active("a", 4))
		n.assign(9)
		synctest.Wait()
		for _, view := range []uint64{1, 4, 7, 9, 10, 1 << 53} {
			a, err := other.AskRelease(t.Context(), "n1", asks(protocol.Release{Child: "a", View: view}))
			if err != nil || len(a.Released) != 0 {
				t.Errorf("by view %d: %v %v", view, a, err)
			}
			wantReply(t, <-b.send("a", "x"), 200, "x")
		}
	})
}

// What a release names costs no memory: neither for how many children, nor of how many requests.
func TestHost_ReleasesAreNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(4)
		var answers atomic.Int64
		for i := range 3000 {
			r := asks()
			for j := range 20 {
				r.Children = append(r.Children, protocol.Release{Child: fmt.Sprintf("c%d-%d", i, j), View: 1 << 50})
			}
			n.h.Release(r, func(protocol.ReleaseAnswer) { answers.Add(1) })
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if answers.Load() != 1024 || n.Slots() != 0 {
			t.Errorf("%d of 3000 requests were answered, %d children are remembered, expected 1024 and none", answers.Load(), n.Slots())
		}
		n.h.Release(asks(make([]protocol.Release, 100_001)...), func(protocol.ReleaseAnswer) { t.Error("100,001 children were taken") })
	})
}

// Only a member of the view has something let go of: not who has its name, nor who is not heard of yet.
func TestHost_ReleasesToMembersOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, refusals := newBus(), &refused.Counter{}
		n := newNode(t, b, "n1", echo(), func(c *worker.Config) { c.Refused = refusals })
		other := b.port("n2")
		if err := other.Serve(nil); err != nil {
			t.Fatal(err)
		}
		defer n.stop(t)
		n.trust(time.Hour)
		n.assign(5, active("a", 5))
		synctest.Wait()
		for _, from := range []protocol.Incarnation{{Node: "n2", ID: "n2-2"}, {Node: "n2"}, {Node: "mallory", ID: "n2-1"}, {Node: "mallory", ID: "mallory-1"}} {
			r := asks(protocol.Release{Child: "a", View: 5})
			r.From, r.ID = from.Node, from.ID
			a, err := other.AskRelease(t.Context(), "n1", r)
			if err != nil || len(a.Released) != 0 {
				t.Errorf("asked by %v: %v %v", from, a, err)
			}
			wantReply(t, <-b.send("a", "x"), 200, "x")
		}
		if got := refusals.Counts()[protocol.ReasonMessage]; got != 4 {
			t.Errorf("%d were counted as refused, expected 4", got)
		}
		newcomer := protocol.Incarnation{Node: "n10", ID: "n10-1"}
		time.AfterFunc(100*time.Millisecond, func() {
			n.Members(incarnation("n1"), append(slices.Clone(members), newcomer))
			n.assign(6, none("a", 6))
		})
		r := asks(protocol.Release{Child: "a", View: 6})
		r.From, r.ID, r.Number = newcomer.Node, newcomer.ID, 7
		a, err := other.AskRelease(t.Context(), "n1", r)
		if err != nil || !slices.Equal(a.Released, []string{"a"}) || a.ID != "n1-1" || !a.Answers(&r) {
			t.Errorf("asked by a newcomer: %+v %v", a, err)
		}
	})
}

// impostor answers in another node's name, and says that it let go.
type impostor struct{ worker.Handler }

func (impostor) Release(r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	answer(protocol.ReleaseAnswer{V: 1, Node: "n2", ID: "n2-2", To: r.ID, Number: r.Number, Released: []string{"a"}})
}

// A replica does not become active by the word of another incarnation than the one that it waits for.
func TestHost_TakesNoReleaseOfAnotherIncarnation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBus()
		n := newNode(t, b, "n1", echo())
		defer n.stop(t)
		if err := b.port("n2").Serve(impostor{}); err != nil {
			t.Fatal(err)
		}
		n.trust(time.Hour)
		n.assign(5, active("a", 5, after("n2")))
		time.Sleep(3 * time.Second)
		if r := n.Report(); !slices.Equal(r.Waiting, []string{"a"}) {
			t.Errorf("found %+v, expected that a waits", r)
		}
		m := slices.Clone(members)
		m[2].ID = "n2-2"
		n.Members(incarnation("n1"), m)
		time.Sleep(time.Second)
		if r := n.Report(); len(r.Waiting) != 0 {
			t.Errorf("found %+v, expected that a serves", r)
		}
	})
}
