package view

import "strings"

// feed puts the live records of one bucket in order, and notices when one was missed. The revisions
// of a stream are dense, so a hole means a loss; what was read back in one go may have holes, because
// a bucket keeps only the last record of each key.
type feed struct {
	last   uint64
	ahead  []Record // arrived after a hole, in order
	loaded bool
	unsafe Unsafe // for tests only
}

// maxAhead bounds what is kept behind a hole; what is dropped is read back later.
const maxAhead = 10_000

// Last returns the revision up to which everything is known.
func (f *feed) Last() uint64 { return f.last }

// Synced reports whether the bucket was read once and no record is known to be missing.
func (f *feed) Synced() bool { return f.loaded && len(f.ahead) == 0 }

// live returns the records that can be applied now that r arrived.
func (f *feed) live(r Record) []Record {
	switch {
	case r.Revision <= f.last:
		return nil
	case !f.loaded || r.Revision != f.last+1:
		if len(f.ahead) < maxAhead {
			f.ahead = append(f.ahead, r)
		}
		return nil
	}
	f.last = r.Revision
	return []Record{r}
}

// caughtUp notes that everything up to last is known, and returns what follows of the records that
// had arrived too early.
func (f *feed) caughtUp(last uint64) []Record {
	f.loaded = true
	f.last = max(f.last, last)
	ahead := f.ahead
	f.ahead = nil
	var next []Record
	for _, r := range ahead {
		next = append(next, f.live(r)...)
	}
	return next
}

// lost notes that live records may have been missed: nothing is sure until the next read.
func (f *feed) lost() { f.loaded, f.ahead = false, nil }

func compare(a, b string) int { return strings.Compare(a, b) }
