package view

import (
	"testing"

	"github.com/phub-io/phub/protocol"
)

// TestRefused_AnAnswerThatNothingIsThereIsTakenBack has a leader that was deposed say that nothing is left of a key, and the next
// one what stands there: the key must not stay lost, or all later commits would be refused.
func TestRefused_AnAnswerThatNothingIsThereIsTakenBack(t *testing.T) {
	t.Parallel()
	m := New(Config{Hub: "h", Node: "node1", Keys: unsigned(func() string { return "id1" })})
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket} {
		m.feedOf(b).last = 9
		revision := func() uint64 {
			if b == protocol.ChildrenBucket {
				return m.specs.keys["child1"]
			}
			return m.history.Revision("child1")
		}
		m.history.keys["child1"], m.specs.keys["child1"] = 7, 7
		for _, step := range []struct{ found, want uint64 }{{7, 7}, {0, 0}, {7, 7}, {0, 0}, {12, 0}} {
			m.keyRead(KeyRead{Bucket: b, Key: "child1", Record: Record{Revision: step.found}})
			if got := revision(); got != step.want {
				t.Errorf("%s: after an answer of revision %d it is taken to be at %d, want %d", b, step.found, got, step.want)
			}
		}
	}
}
