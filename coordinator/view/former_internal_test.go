package view

import (
	"fmt"
	"testing"

	"github.com/phub-io/phub/protocol"
)

// specRecord is a record of the children bucket: a spec of a kind, or a deletion.
func specRecord(child, kind string, revision uint64) Record {
	r := Record{Bucket: protocol.ChildrenBucket, Key: child, Revision: revision, Deleted: kind == ""}
	if kind != "" {
		r.Value = encode(protocol.Spec{Child: child, Kind: kind}.WithDefaults(protocol.Redundancy{}.Or(protocol.Config{}.WithDefaults().Redundancy)))
	}
	return r
}

// What is placed is known whatever was stored since, and is forgotten when something else is placed, or nothing.
func TestSpecs_RememberWhatIsPlaced(t *testing.T) {
	t.Parallel()
	s := NewSpecs()
	revision := uint64(0)
	store := func(kind string) uint64 {
		revision++
		s.Loaded([]Record{specRecord("child1", kind, revision)}, revision)
		return revision
	}
	knows := func(kind string, revision uint64) {
		t.Helper()
		switch got := s.At("child1", revision); {
		case kind == "" && got != nil:
			t.Errorf("revision %d is known still: %+v", revision, got)
		case kind != "" && (got == nil || got.Kind != kind):
			t.Errorf("revision %d: found %+v, expected kind %s", revision, got, kind)
		}
	}
	place := func(revision uint64) { s.place("child1", revision, s.specs["child1"]) }
	first := store("first")
	foreign := store("foreign")
	knows("first", first)
	place(first)
	for range recentMost {
		store("foreign")
		store("")
	}
	knows("first", first)
	knows("", foreign)
	second := store("second")
	knows("second", second)
	for range recentMost - 1 {
		store("foreign")
	}
	place(second)
	for range recentMost {
		store("foreign")
	}
	knows("second", second)
	knows("", first)
	place(store("third"))
	knows("third", revision)
	knows("", second)
	store("foreign")
	knows("third", revision-1)
	place(0)
	for range recentMost {
		store("foreign")
	}
	knows("", revision-recentMost-1)
}

// Whoever may write to the bucket can't fill a node's memory with what stood there before.
func TestSpecs_BoundFormerOnes(t *testing.T) {
	t.Parallel()
	s := NewSpecs()
	revision := uint64(0)
	store := func(child, kind string) {
		revision++
		s.Loaded([]Record{specRecord(child, kind, revision)}, revision)
	}
	store("placed", "kind")
	s.place("placed", revision, s.specs["placed"])
	for i := range 10 * recentMost {
		for _, child := range []string{fmt.Sprintf("stranger%d", i), "placed"} {
			store(child, "kind")
			store(child, "other")
			store(child, "")
		}
	}
	if len(s.kept) != 1 || len(s.recent) != recentMost {
		t.Errorf("%d placed specs and %d others are remembered, expected 1 and %d", len(s.kept), len(s.recent), recentMost)
	}
}
