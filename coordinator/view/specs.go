package view

import (
	"fmt"

	"github.com/phub-io/phub/protocol"
)

// Stored spec with its revision. The spec is never changed once published.
type storedSpec struct {
	spec     *protocol.Spec
	revision uint64
	same     uint64 // the first revision since which the worker that runs is the same
	changing uint64 // the first revision since which it is being changed to the same; 0: it is not being changed
	// completes is the first revision since which it was being changed to what this one says is to run; 0: it was not.
	completes uint64
}

// after returns what is known of a spec that follows another under its name. If records up to the hole may have been missed, so may the
// end of the child: its worker may have ended, and it is to start anew.
func (s storedSpec) after(old storedSpec, hole uint64) storedSpec {
	s.same = s.revision
	if s.spec.Change != nil {
		s.changing = s.revision
	}
	if old.spec == nil {
		return s
	}
	if s.spec.SameWorker(old.spec) && (s.spec.Restart.Policy == protocol.Permanent || hole <= old.revision) {
		s.same = old.same
	}
	if old.spec.Change == nil {
		return s
	}
	target := old.spec.Changed()
	switch {
	case s.spec.Change == nil && s.spec.SameWorker(&target):
		s.completes = old.changing
	case s.spec.Change != nil && s.spec.Change.SameWorker(old.spec.Change):
		s.changing = old.changing
	}
	return s
}

// Specs follows the children bucket: what is to run.
type Specs struct {
	feed
	specs map[string]storedSpec
	keys  map[string]uint64
	marks markers
	bad   map[string]string
	hole  uint64 // up to here records may have been missed: others have taken their place
	formerSpecs
}

// NewSpecs returns a follower that knows nothing yet.
func NewSpecs() *Specs {
	return &Specs{
		specs: map[string]storedSpec{}, keys: map[string]uint64{}, bad: map[string]string{},
		formerSpecs: formerSpecs{placed: map[string]uint64{}, kept: map[string]storedSpec{}},
	}
}

// SpecChange is what a record did to a child's spec; nil means that there is none.
type SpecChange struct {
	Child         string
	Before, After *protocol.Spec
	Was, Revision uint64 // of the two
}

// Get returns the spec of a child and its revision, or nil.
func (s *Specs) Get(child string) (*protocol.Spec, uint64) {
	st := s.specs[child]
	return st.spec, st.revision
}

// Loaded takes what the stream holds after Last(): records, and its last revision then.
func (s *Specs) Loaded(records []Record, last uint64) []SpecChange {
	if s.leavesOut(records, last) {
		s.hole = last
	}
	changes := s.apply(records)
	s.caughtUp(last)
	return changes
}

func (s *Specs) apply(records []Record) []SpecChange {
	var changes []SpecChange
	for _, r := range records {
		if r.Revision <= s.keys[r.Key] {
			continue
		}
		s.keys[r.Key] = r.Revision
		if c, ok := s.take(r); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

func (s *Specs) take(r Record) (SpecChange, bool) {
	had := s.specs[r.Key]
	c := SpecChange{Child: r.Key, Before: had.spec, Was: had.revision, Revision: r.Revision}
	if r.Deleted {
		s.keep(r.Key, had)
		delete(s.specs, r.Key)
		delete(s.bad, r.Key)
		s.marks.add(r.Key, r.Revision, s.keys)
		return c, c.Before != nil
	}
	spec, err := protocol.DecodeSpec(r.Value)
	if err == nil && spec.Child != r.Key {
		err = fmt.Errorf("child: found %q, expected the key", spec.Child)
	}
	if err != nil {
		s.bad[r.Key] = err.Error()
		return c, false
	}
	delete(s.bad, r.Key)
	c.After = &spec
	s.keep(r.Key, had)
	s.specs[r.Key] = storedSpec{spec: &spec, revision: r.Revision}.after(s.specs[r.Key], s.hole)
	return c, true
}

// forget notes that nothing is left of a key, not even a marker. A spec that stood there is wanted still: somebody purged
// it.
func (s *Specs) forget(key string) {
	delete(s.keys, key)
	if s.specs[key].spec != nil {
		s.bad[key] = purged
	}
}

// Bad returns the keys whose last record is not obeyed, sorted, and why.
func (s *Specs) Bad() []BadKey { return badKeys(protocol.ChildrenBucket, s.bad) }
