package worker_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
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
			a, err := other.AskRelease(t.Context(), "n1", protocol.ReleaseRequest{Children: []protocol.Release{{Child: "a", View: 5}, {Child: "b", View: 5}}})
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
			a, err := other.AskRelease(t.Context(), "n1", protocol.ReleaseRequest{Children: []protocol.Release{{Child: "a", View: view}}})
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
			r := protocol.ReleaseRequest{}
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
		n.h.Release(protocol.ReleaseRequest{Children: make([]protocol.Release, 100_001)}, func(protocol.ReleaseAnswer) { t.Error("100,001 children were taken") })
	})
}
