package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// formerSpecs are what stood under children's names before, as far as it may be what is placed: specs are not signed, so what stands
// in the bucket may be somebody else's, but an entry names the revision of the spec that the coordinator placed.
type formerSpecs struct {
	placed map[string]uint64     // the revision that a child's entry names
	kept   map[string]storedSpec // by child: what is placed, and stands there no more
	recent []formerSpec          // what stood there besides, oldest first: its entry may be on its way
}

type formerSpec struct {
	child string
	storedSpec
}

// recentMost bounds what is remembered of which no entry is known: anybody who may write to the bucket writes as much as he likes.
const recentMost = 200

// keep remembers what stood under a child's name, if it is placed, or may be.
func (f *formerSpecs) keep(child string, had storedSpec) {
	at := f.placed[child]
	switch {
	case had.spec == nil || had.revision < at:
	case had.revision == at:
		f.kept[child] = had
	default:
		f.recent = append(f.recent, formerSpec{child, had})
		if len(f.recent) > recentMost {
			f.recent = slices.Delete(f.recent, 0, 1)
		}
	}
}

// place notes which revision of a child's spec its entry names; 0: it has no entry, or one by which it is being stopped. Now is what stands there.
func (f *formerSpecs) place(child string, revision uint64, now storedSpec) {
	if revision == 0 {
		delete(f.placed, child)
		delete(f.kept, child)
		return
	}
	f.placed[child] = revision
	if f.kept[child].revision == revision {
		return
	}
	delete(f.kept, child)
	if now.revision == revision {
		return
	}
	if former, ok := f.find(child, revision); ok {
		f.kept[child] = former
	}
}

// find looks for what stood under a child's name lately.
func (f *formerSpecs) find(child string, revision uint64) (storedSpec, bool) {
	for _, x := range f.recent {
		if x.child == child && x.revision == revision {
			return x.storedSpec, true
		}
	}
	return storedSpec{}, false
}

// At returns the spec that is placed under a child's name by a revision, whether it stands there still or not; nil if that is not known.
func (s *Specs) At(child string, revision uint64) *protocol.Spec {
	if now, at := s.Get(child); at == revision {
		return now
	}
	if kept := s.kept[child]; kept.revision == revision {
		return kept.spec
	}
	former, _ := s.find(child, revision)
	return former.spec
}
