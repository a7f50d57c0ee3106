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
			m.keyRead(KeyRead{Bucket: b, Key: "child1", Known: revision(), Record: Record{Revision: step.found}})
			if got := revision(); got != step.want {
				t.Errorf("%s: after an answer of revision %d it is taken to be at %d, want %d", b, step.found, got, step.want)
			}
		}
	}
}

// A name that was forgotten is used again: the write is refused once, the key is read, and the next one counts from its
// marker.
func TestRefused_ForgottenMarkersAreRead(t *testing.T) {
	t.Parallel()
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket} {
		m := New(Config{Hub: "h", Node: "node1", Keys: unsigned(func() string { return "id1" })})
		m.feedOf(b).last = 9
		m.readRefused(b, []Write{{Key: "old"}})
		if len(m.out) != 0 {
			t.Errorf("%s: nothing was forgotten, and it does %v", b, m.out)
		}
		m.history.marks.all, m.specs.marks.all = make([]marker, markersKept), make([]marker, markersKept)
		m.readRefused(b, []Write{{Key: "old"}})
		if len(m.out) != 1 || m.out[0] != (ReadKey{b, "old", 0}) {
			t.Fatalf("%s: refused, it does %v", b, m.out)
		}
		m.keyRead(KeyRead{Bucket: b, Key: "old", Record: Record{Bucket: b, Key: "old", Revision: 7, Deleted: true}})
		if rev := max(m.history.keys["old"], m.specs.keys["old"]); rev != 7 {
			t.Errorf("%s: known at %d, expected 7", b, rev)
		}
	}
}

// What this node wrote behind a record that it does not know is there, and nothing is decided before it is read.
func TestAcknowledged_BehindAHole(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	m.nodes.loaded = true
	writes := []Write{{Key: "b", Delete: true}}
	m.acknowledged(protocol.ChildrenBucket, writes, m.specs.last+1)
	if !m.ready() || m.specs.last != 2 {
		t.Errorf("the next record: ready %t, known up to %d, expected 2", m.ready(), m.specs.last)
	}
	m.acknowledged(protocol.ChildrenBucket, writes, m.specs.last+2)
	if m.ready() || m.specs.last != 2 {
		t.Errorf("behind a hole: ready %t, known up to %d, expected 2", m.ready(), m.specs.last)
	}
}
