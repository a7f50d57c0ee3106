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

// A temporary child's worker has ended, the child was stopped for that, and somebody started the same anew. Whoever missed the stop
// must not take the new start for the old one, whose worker ended. A permanent child's worker runs on.
func TestSpecs_WhoMissedAStopDoesNotTakeItsWorkersForTheNewOnes(t *testing.T) {
	t.Parallel()
	for policy, want := range map[protocol.RestartPolicy]uint64{protocol.Temporary: 3, protocol.Transient: 3, protocol.Permanent: 1} {
		for _, missed := range []bool{true, false} {
			spec := func(revision uint64) Record {
				r := specRecord("child1", "kind", revision)
				x, err := protocol.DecodeSpec(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				x.Restart.Policy = policy
				r.Value = encode(x)
				return r
			}
			s := NewSpecs()
			s.Loaded([]Record{spec(1)}, 1)
			between := Record{Bucket: protocol.ChildrenBucket, Key: "other", Revision: 2, Deleted: true}
			if missed {
				s.Loaded([]Record{spec(3)}, 3)
			} else {
				s.Loaded([]Record{between, spec(3)}, 3)
			}
			if got, want := s.specs["child1"].same, map[bool]uint64{true: want, false: 1}[missed]; got != want {
				t.Errorf("%s, missed %t: its workers are the same since %d, expected %d", policy, missed, got, want)
			}
		}
	}
}
