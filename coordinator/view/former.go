package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// formerSpecs are what stood under children's names before, as far as it may be what is placed: specs are not signed, so what stands
// in the bucket may be somebody else's, but an entry names the revision of the spec that the coordinator placed.
type formerSpecs struct {
	placed map[string]uint64       // the revision that a child's entry names
	former map[string][]storedSpec // by child, oldest first
	loose  []string                // children without an entry, of those in former, oldest first
}

const (
	// formerMost is how many former specs of a child are remembered: the one that is placed, and those stored last, which may be about to be.
	formerMost = 8
	// looseMost is of how many children without an entry. Anybody who may write to the bucket names as many as he likes.
	looseMost = 100
)

// keep remembers what stood under a child's name, if it may be what is placed.
func (f *formerSpecs) keep(child string, had storedSpec) {
	at := f.placed[child]
	if had.spec == nil || had.revision < at {
		return
	}
	if at == 0 {
		f.keepLoose(child, had)
		return
	}
	all := append(f.former[child], had)
	if len(all) > formerMost {
		oldest := 0
		if all[0].revision == at {
			oldest = 1
		}
		all = slices.Delete(all, oldest, oldest+1)
	}
	f.former[child] = all
}

// keepLoose remembers the last spec of a child that has no entry: that may be on its way.
func (f *formerSpecs) keepLoose(child string, had storedSpec) {
	if f.former[child] == nil {
		f.loose = append(f.loose, child)
	}
	f.former[child] = []storedSpec{had}
	for len(f.loose) > looseMost {
		if old := f.loose[0]; f.placed[old] == 0 {
			delete(f.former, old)
		}
		f.loose = f.loose[1:]
	}
}

// place notes which revision of a child's spec its entry names; 0: it has no entry, or one by which it is being stopped.
func (f *formerSpecs) place(child string, revision uint64) {
	f.loose = slices.DeleteFunc(f.loose, func(c string) bool { return c == child })
	if revision == 0 {
		delete(f.placed, child)
		delete(f.former, child)
		return
	}
	f.placed[child] = revision
	if f.former[child] = slices.DeleteFunc(f.former[child], func(s storedSpec) bool { return s.revision < revision }); len(f.former[child]) == 0 {
		delete(f.former, child)
	}
}

// At returns the spec that stood, or stands, under a child's name by a revision; nil if that is not known.
func (s *Specs) At(child string, revision uint64) *protocol.Spec {
	if now, at := s.Get(child); at == revision {
		return now
	}
	for _, x := range s.former[child] {
		if x.revision == revision {
			return x.spec
		}
	}
	return nil
}
