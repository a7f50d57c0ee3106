package view

import (
	"strings"
	"time"
)

// feed knows up to where the records of one bucket are known, and that there are said to be more.
//
// Anybody in the account may publish what looks like a record that the bucket's stream repeats. So a live record is a
// hint that something was stored, and no more: what is taken was read from the stream, or was acknowledged to this
// node as its own write. A hint is good for one read. What the stream does not reach then was never stored, and is
// forgotten: nothing waits for it.
type feed struct {
	last   uint64
	loaded bool
	hint   uint64        // the largest revision that somebody spoke of since the last read began
	due    time.Duration // when it is to be read
	unsafe Unsafe        // for tests only, as what follows
	awaits uint64
}

// Last returns the revision up to which everything is known.
func (f *feed) Last() uint64 { return f.last }

// Synced reports whether the bucket was read since the connection was opened.
func (f *feed) Synced() bool { return f.loaded && f.awaits <= f.last }

// hinted notes that somebody speaks of a revision, and when the bucket is to be read for its sake.
func (f *feed) hinted(revision uint64, due time.Duration) {
	if revision <= f.last {
		return
	}
	if f.hint <= f.last || due < f.due {
		f.due = due
	}
	f.hint = max(f.hint, revision)
}

// wants reports whether the bucket is to be read for the sake of a hint.
func (f *feed) wants(now time.Duration) bool { return f.hint > f.last && now >= f.due }

// covered returns the hint, which a read that begins now finds to be true or not.
func (f *feed) covered() uint64 {
	hint := f.hint
	f.hint = 0
	return hint
}

// caughtUp notes that everything up to last is known.
func (f *feed) caughtUp(last uint64) {
	f.loaded = true
	f.last = max(f.last, last)
}

// lost notes that hints may have been missed: nothing is sure until the next read.
func (f *feed) lost() { f.loaded, f.hint = false, 0 }

func compare(a, b string) int { return strings.Compare(a, b) }

// leavesOut reports whether some of the revisions up to the last one are not among the records that were read
// back: written over by what was read, or by what was stored while it was read.
func (f *feed) leavesOut(records []Record, last uint64) bool {
	read := uint64(0)
	for _, r := range records {
		if r.Revision > f.last {
			read++
		}
	}
	return f.last+read < last
}
