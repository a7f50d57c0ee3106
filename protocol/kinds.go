package protocol

import (
	"fmt"
	"maps"
	"slices"
)

// MaxKindsBytes bounds the names of the kinds that a node announces, in bytes, with one more for each name: every view has those
// of all members.
const MaxKindsBytes = 1024

// AnnouncedKinds returns what a node announces of the kinds that it runs: their names, sorted. If there are too many it
// announces nothing, and is tried like a node of which nothing is known.
func AnnouncedKinds[K any](kinds map[string]K) []string {
	names := slices.Sorted(maps.Keys(kinds))
	if checkKinds(names) != nil {
		return nil
	}
	return names
}

func checkKinds(kinds []string) error {
	n := 0
	for i, k := range kinds {
		if err := ValidateKind(k); err != nil {
			return at(index("kinds", i, ""), err)
		}
		n += len(k) + 1
	}
	if n > MaxKindsBytes {
		return &FieldError{"kinds", fmt.Sprintf("%d kinds, of %d bytes", len(kinds), n), fmt.Sprintf("at most %d bytes", MaxKindsBytes)}
	}
	return nil
}

// Runs reports whether a member runs a kind, as far as that is known: one that announces no kinds may.
func (m *Member) Runs(kind string) bool { return len(m.Kinds) == 0 || slices.Contains(m.Kinds, kind) }
