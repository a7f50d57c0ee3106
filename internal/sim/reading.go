package sim

import (
	"slices"

	"github.com/phub-io/phub/coordinator/view"
)

// reading is the reading of what a stream stores after a revision, as the adapter does it: the stream's
// end first, then record by record until that is reached; and on to its end then, if some are left out. One request waits for its answer for stepWait.
type reading struct {
	s     *stream
	c     *conn
	after uint64
	done  func(records []view.Record, last uint64)
	fail  func()
}

const stepWait = sec

func (r *reading) begin() {
	r.step(func(_ map[string]view.Record, last uint64) func() {
		return func() {
			if last <= r.after {
				r.done(nil, last)
				return
			}
			r.records(last)
		}
	})
}

func (r *reading) records(last uint64) {
	r.step(func(keys map[string]view.Record, end uint64) func() {
		records := recordsAfter(keys, r.after, last)
		if n := len(records); n > 0 {
			last = max(last, records[n-1].Revision)
		}
		if uint64(len(records)) < last-r.after { // what took the place of those that are left out may be after them
			records, last = recordsAfter(keys, r.after, end), max(last, end)
		}
		cost := readCost(last-r.after, len(keys))
		return func() {
			if !r.c.srv.w.plan.OneMachine {
				r.done(records, last)
				return
			}
			r.c.srv.w.at(r.c.srv.w.spend(cost), func() { r.done(records, last) })
		}
	})
}

// step has one request answered, or gives the reading up.
func (r *reading) step(do func(keys map[string]view.Record, last uint64) (answer func())) {
	over := false
	r.c.proc.after(stepWait, func() {
		if !over {
			over = true
			r.fail()
		}
	})
	r.s.read(r.c, func(keys map[string]view.Record, last uint64) func() {
		answer := do(keys, last)
		return func() {
			if !over {
				over = true
				answer()
			}
		}
	})
}

// recordsAfter returns the records after a revision up to the first that reaches another one.
func recordsAfter(keys map[string]view.Record, after, last uint64) []view.Record {
	var records []view.Record
	for _, r := range keys {
		if r.Revision > after {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b view.Record) int { return int(a.Revision) - int(b.Revision) })
	for i, r := range records {
		if r.Revision >= last {
			return records[:i+1]
		}
	}
	return records
}
