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
	first := store("first")
	foreign := store("foreign")
	knows("first", first)
	s.place("child1", first)
	for range 3 * formerMost {
		store("foreign")
		store("")
	}
	second := store("second")
	knows("first", first)
	knows("", foreign)
	for range formerMost - 2 {
		store("foreign")
	}
	s.place("child1", second)
	knows("second", second)
	knows("", first)
	s.place("child1", 0)
	knows("", second)
	knows("foreign", revision)
}

// Whoever may write to the bucket can't fill a node's memory with what stood there before.
func TestSpecs_BoundFormerOnes(t *testing.T) {
	t.Parallel()
	s := NewSpecs()
	s.place("placed", 1)
	revision := uint64(0)
	store := func(child, kind string) {
		revision++
		s.Loaded([]Record{specRecord(child, kind, revision)}, revision)
	}
	for i := range 10 * looseMost {
		for _, child := range []string{fmt.Sprintf("stranger%d", i), "placed"} {
			store(child, "kind")
			store(child, "other")
			store(child, "")
		}
	}
	if n := len(s.former); n > looseMost+1 {
		t.Errorf("former specs of %d children are remembered, allowed are %d", n, looseMost+1)
	}
	for child, all := range s.former {
		if most := map[bool]int{true: formerMost, false: 1}[child == "placed"]; len(all) > most {
			t.Errorf("%d former specs of %s are remembered, allowed are %d", len(all), child, most)
		}
	}
}
