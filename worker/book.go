package worker

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/phub-io/phub/protocol"
)

// book keeps what Report says, so that a report costs what there is to report, not what there is.
type book struct {
	mu       sync.Mutex
	begun    uint64           // the newest assigned view
	view     uint64           // the newest that was assigned to the end
	waiting  map[*slot]uint64 // by replica: the view that is not carried out because of it
	failed   map[*slot]protocol.Failed
	since    map[*slot]uint64 // the same of failed ones
	restarts map[*slot]restarts
	ends     uint64 // counts the ends of workers
	notices  map[*slot]notice
	noticed  uint64 // counts the notices
	children int
	active   int
	changed  chan struct{} // room for one
}

// line is what the book has of one replica.
type line struct {
	waiting, failed, child, active bool
}

func newBook() *book {
	return &book{
		waiting: map[*slot]uint64{}, failed: map[*slot]protocol.Failed{}, since: map[*slot]uint64{}, restarts: map[*slot]restarts{}, notices: map[*slot]notice{},
		changed: make(chan struct{}, 1),
	}
}

// unsettled returns how many replicas are not yet what they were last told to be, and how many were given up.
func (b *book) unsettled() (pending, failed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting), len(b.failed)
}

func (b *book) begin(view uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = view
}

func (b *book) end(view uint64) {
	b.mu.Lock()
	b.view = view
	b.mu.Unlock()
	b.notify()
}

func (b *book) notify() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// write replaces the line of s. The slot's lock is held.
func (b *book) write(s *slot, old, now line, f protocol.Failed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.children += count(now.child) - count(old.child)
	b.active += count(now.active) - count(old.active)
	since := b.begun
	if v := s.m.View(); v > 0 { // of its entry, which may be older: what was missed is assigned with a later view
		since = min(since, v)
	}
	b.writeWaiting(s, old, now, since)
	switch {
	case now.failed:
		if !old.failed {
			b.since[s] = since
		}
		b.failed[s] = f
		b.notify()
	case old.failed:
		delete(b.failed, s)
		delete(b.since, s)
	}
}

func (b *book) writeWaiting(s *slot, old, now line, since uint64) {
	if old.waiting == now.waiting {
		return
	}
	if now.waiting {
		b.waiting[s] = since
		return
	}
	delete(b.waiting, s)
	b.notify()
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// maxReportBytes bounds the texts and names of the failed replicas in one report, as JSON: NATS carries 1 MiB.
const maxReportBytes = 256 << 10

// nameBytes is what the name of a child takes in a report at most, in bytes.
const nameBytes = protocol.MaxChildName + 3

// report says of as many replicas as one heartbeat has room for, of which NATS carries payload bytes: the oldest first. Settled
// stays behind the others.
func (b *book) report(payload int) protocol.Report {
	names := min(protocol.MaxReported, max(payload/4/nameBytes, 1))
	b.mu.Lock()
	defer b.mu.Unlock()
	r := protocol.Report{Settled: b.view, Children: b.children, Active: b.active}
	r.Settled = min(r.Settled, settledBy(b.waiting, names))
	for s, v := range b.waiting {
		if v <= r.Settled || len(b.waiting) <= names {
			r.Waiting = append(r.Waiting, s.child)
		}
	}
	slices.Sort(r.Waiting)
	var before uint64
	r.Failed, before = b.oldestFailed(min(maxReportBytes, payload/4))
	r.Settled = min(r.Settled, before)
	r.Restarted = b.restarted(payload / 8)
	r.Notices = b.noticesIn(payload / 8)
	return r
}

// oldestFailed returns what failed first, sorted by name, and the newest view up to which that is all that failed. They may
// be of newer views, too: that a replica failed is true whatever else is settled, and those that are left out get their
// turn when the coordinator has taken the first ones from this node.
func (b *book) oldestFailed(room int) (failed []protocol.Failed, before uint64) {
	slots := slices.SortedFunc(maps.Keys(b.failed), func(x, y *slot) int {
		return cmp.Or(cmp.Compare(b.since[x], b.since[y]), cmp.Compare(x.child, y.child))
	})
	before = ^uint64(0)
	for i, s := range slots {
		f := b.failed[s]
		if room -= jsonSize(f); i > 0 && (i == protocol.MaxReported || room < 0) {
			before = max(b.since[s], 1) - 1
			break
		}
		failed = append(failed, f)
	}
	slices.SortFunc(failed, func(x, y protocol.Failed) int { return cmp.Compare(x.Child, y.Child) })
	return failed, before
}

// jsonSize returns how many bytes a failed replica takes at most as JSON: six for a character that is escaped.
func jsonSize(f protocol.Failed) int {
	n := 80 + len(f.Child)
	for _, c := range []byte(f.Error) {
		if c < ' ' || c == '<' || c == '>' || c == '&' || c == 0xe2 {
			n += 6
		} else {
			n += 1 + count(c == '"' || c == '\\')
		}
	}
	return n
}

// settledBy returns the newest view up to which no more replicas wait than one report lists.
func settledBy(since map[*slot]uint64, names int) uint64 {
	if len(since) <= names {
		return ^uint64(0)
	}
	views := make([]uint64, 0, len(since))
	for _, v := range since {
		views = append(views, v)
	}
	slices.Sort(views)
	return max(views[names], 1) - 1
}
