package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestBeat_GrantsNothingFromWhoKnowsLess answers a heartbeat as a coordinator does that knows an older view than the
// node did when it asked: no lease is taken from it, and the second such answer has the bucket read again, because
// the history may have been replaced. Without the rule it grants one.
func TestBeat_GrantsNothingFromWhoKnowsLess(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		m := New(Config{Hub: "h", Node: "node2", NewID: func() string { return "id2" }, Unsafe: Unsafe{TakeBehind: off}})
		m.now.Mono = time.Minute
		m.history.loaded = true
		for n := uint64(1); n <= 2; n++ {
			m.beats.busy, m.beats.number, m.beats.sent, m.beats.view = true, n, m.now.Mono, 5
			m.beatAnswered(BeatAnswered{Number: n, Answer: protocol.BeatAnswer{Accepted: true, View: 4}})
		}
		if granted := m.trust.until > 0; granted != off {
			t.Errorf("without the rule: %t; it has granted a lease: %t", off, granted)
		}
		if reads := !m.history.loaded; reads == off {
			t.Errorf("without the rule: %t; the bucket is read again: %t", off, reads)
		}
	}
}
