package view

import (
	"fmt"
	"time"

	"github.com/phub-io/phub/protocol"
)

// load is the reading of one bucket.
type load struct {
	busy   bool
	again  bool          // to be read although nothing is known to be missing
	fresh  bool          // the one under way began after that was asked for
	tries  int           // since the last that succeeded
	short  int           // answers in a row that end before what is known
	retry  time.Duration // not before this instant
	began  time.Duration // when the one under way did
	wanted bool          // it did for the sake of a hint
	after  uint64        // from which revision on it reads
	from   uint64        // what was known then
	stood  uint64        // what the bucket had reached then, for sure
	hint   uint64        // what was spoken of then; 0: nothing
	vain   int           // such reads in a row that brought nothing
	rest   time.Duration // no such read before this instant
	told   time.Duration // when it was last said that somebody spoke of what was never stored; 0: never
}

// underWay reports whether a bucket is being read.
func (l *load) underWay() bool { return l != nil && l.busy }

// loadDue reads the buckets of which something is missing.
func (m *Machine) loadDue() {
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		f := m.feedOf(b)
		l := m.loads[b]
		if l == nil {
			l = &load{}
			m.loads[b] = l
		}
		after, wants := f.last, f.wants(m.now.Mono)
		if b == protocol.NodesBucket {
			l.again = l.again || m.nodes.Missed(m.now.Mono)
			after, wants = m.nodes.after(), m.nodes.wants(m.now.Mono)
		}
		wants = wants && m.now.Mono >= l.rest
		if f.Synced() && !l.again && !wants || l.busy || m.now.Mono < l.retry {
			continue
		}
		l.busy, l.fresh, l.wanted, l.began = true, l.again, wants, m.now.Mono
		l.after, l.from, l.stood, l.hint = after, f.last, m.stoodAt(b), f.covered()
		m.do(Load{Bucket: b, After: after, Try: l.tries})
	}
}

// reload reads what is missing of a bucket, although no hole in the live records told so.
func (m *Machine) reload(b protocol.Bucket) {
	if f := m.feedOf(b); f.loaded {
		f.loaded = false
	}
}

// readAgain reads what is missing of a bucket, while what is known stays good for everything else.
func (m *Machine) readAgain(b protocol.Bucket) {
	if m.loads[b] == nil {
		m.loads[b] = &load{}
	}
	m.loads[b].again = true
}

// recordsMissed has a bucket read of which live records were lost. While more are lost all the time, it is read at a steady
// pace.
func (m *Machine) recordsMissed(b protocol.Bucket) {
	m.readAgain(b)
	if l := m.loads[b]; l.began > 0 {
		l.retry = max(l.retry, l.began+missedPause)
	}
}

const missedPause = 250 * time.Millisecond

const loadRetry = 100 * time.Millisecond

// A bucket that ends before what was read of it may be read from a server that is behind. If it still
// does after some time, it is not the bucket that it was.
const (
	shortRetry = 500 * time.Millisecond
	shortMost  = 4
)

func (m *Machine) loaded(e RecordsLoaded) {
	l := m.loads[e.Bucket]
	if l == nil || !l.busy || e.After != l.after && !m.cfg.Unsafe.AnyRead {
		return // of a connection that is no more, or of a history
	}
	f := m.feedOf(e.Bucket)
	l.busy = false
	l.tries++
	if e.Outcome != Done {
		f.hint = max(f.hint, l.hint)
		l.retry = m.now.Mono + loadRetry
		return
	}
	l.tries = 0
	if had := l.stood; e.Last < had {
		l.retry = m.now.Mono + shortRetry
		if l.short++; l.short >= shortMost {
			m.historyLost(e.Bucket, had, e.Last)
		}
		return
	}
	l.short = 0
	m.judge(l, e.Bucket, e.Last)
	switch e.Bucket {
	case protocol.PlacementBucket:
		m.committed(m.history.Loaded(e.Records, e.Last))
		if m.replaced() {
			return
		}
	case protocol.ChildrenBucket:
		m.specsChanged(m.specs.Loaded(e.Records, e.Last))
		if m.lead != nil && l.again == l.fresh {
			m.lead.inherits = false
		}
	case protocol.NodesBucket:
		m.nodesLoaded(l, e)
	}
	l.again = l.again && !l.fresh
}

// stoodAt returns a revision that a bucket has reached for sure: what was only heard proves nothing.
func (m *Machine) stoodAt(b protocol.Bucket) uint64 {
	if b == protocol.NodesBucket {
		return m.nodes.stood
	}
	return m.feedOf(b).last
}

func (m *Machine) nodesLoaded(l *load, e RecordsLoaded) {
	m.nodes.contested = false
	for _, r := range e.Records {
		m.nodeStored(r)
	}
	if never := m.nodes.Loaded(m.now.Mono, l.began, l.from, e.Last); never > 0 {
		m.neverStored(l, e.Bucket, never, e.Last)
	}
}

const (
	// vainFirst is the pause after a read for the sake of a hint that brought nothing; doubled each time, up to vainMost. It
	// bounds what forged records cost the stream's leader, and what they cost those who wait for a true one.
	vainFirst = 5 * time.Millisecond
	vainMost  = 100 * time.Millisecond
	// tellEvery is how often it is said that somebody forges records.
	tellEvery = time.Minute
)

// judge compares what was spoken of before a read with what the stream holds.
func (m *Machine) judge(l *load, b protocol.Bucket, last uint64) {
	switch {
	case last > l.from:
		l.vain, l.rest = 0, 0
	case l.wanted:
		l.rest = m.now.Mono + min(vainFirst<<min(l.vain, 8), vainMost)
		l.vain++
	}
	if l.hint > last && m.cfg.Unsafe.AwaitHints {
		m.feedOf(b).awaits = l.hint
	}
	if l.hint > last {
		m.neverStored(l, b, l.hint, last)
	}
}

// neverStored drops what somebody spoke of and the stream does not hold.
func (m *Machine) neverStored(l *load, b protocol.Bucket, revision, last uint64) {
	if m.heardOfOther() {
		m.do(CountRefused{protocol.ReasonHub})
		return
	}
	m.do(CountRefused{protocol.ReasonRecord})
	if l.told > 0 && m.now.Mono-l.told < tellEvery {
		return
	}
	l.told = m.now.Mono
	why := fmt.Sprintf("somebody published a record of revision %d as if the bucket had stored it, which ends at %d: not obeyed; "+
		"deny others to publish to %s, and see that no other hub has this name", revision, last, protocol.SubjectsOf(m.cfg.Hub).Stored(b, ">"))
	m.note(Warn, "bucket %s: %s", b, why)
	if m.lead != nil {
		m.event(protocol.BadEntry, protocol.Event{Reason: string(b) + ": " + why})
	}
}

// historyLost starts from nothing: the bucket is not the one that this node followed.
func (m *Machine) historyLost(b protocol.Bucket, had, has uint64) {
	m.note(Error, "bucket %s went back from revision %d to %d: it was deleted, or restored from an older copy; starting anew from what it holds", b, had, has)
	m.startAnew("the hub's history was replaced")
}

// startAnew follows the buckets from nothing, as another incarnation: what this one decided and was granted rests on
// what it knew.
func (m *Machine) startAnew(why string) {
	m.stepDown(why)
	m.forget()
	clear(m.loads)
	clear(m.refused)
	m.reincarnate(why)
}
