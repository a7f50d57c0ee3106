package coordinator

import (
	"sync"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// inbox takes events from any goroutine without ever blocking one, and hands them to the loop in the
// order of their arrival. What others sent is bounded, each sort of it by itself. What is dropped is safe to
// drop: a record is read back, a node sends its next heartbeat, a hint is only a hint, and a control request
// is answered.
type inbox struct {
	mu     sync.Mutex
	events []input
	closed bool
	ready  chan struct{} // holds one token while there are events

	held   [sorts]held
	beats  map[string]int           // heartbeats that wait, by node
	hints  map[view.Event]bool      // those that wait: one of equal ones is enough
	missed map[protocol.Bucket]bool // of these, records were lost
	refuse func(protocol.Reason)    // counts what is dropped
}

// sort is what events have a common bound.
type sort int

const (
	own     sort = iota // what became of this node's own operations: as many as it began, and none is dropped
	record              // live records
	beat                // heartbeats of others
	control             // control requests
	hint                // what is asked or looked at anew anyway
	sorts
)

// held is how much waits of one sort.
type held struct{ events, bytes int }

var (
	roomFor = [sorts]held{
		record:  {50_000, 32 << 20},
		beat:    {4096, 16 << 20},
		control: {1024, 32 << 20},
		hint:    {1024, 1 << 20},
	}
	// beatsOfOne is how many heartbeats of one node may wait: it sends the next when it gave up the last.
	beatsOfOne = 8
)

func newInbox(refuse func(protocol.Reason)) *inbox {
	b := &inbox{ready: make(chan struct{}, 1), refuse: refuse}
	b.reset()
	return b
}

func (b *inbox) reset() {
	b.events, b.held = nil, [sorts]held{}
	b.beats, b.hints, b.missed = map[string]int{}, map[view.Event]bool{}, map[protocol.Bucket]bool{}
}

// put takes an event in. It returns false if it was dropped because too many wait.
func (b *inbox) put(e input) bool {
	b.mu.Lock()
	taken := b.closed || b.add(e)
	b.mu.Unlock()
	b.wake()
	return taken
}

func (b *inbox) add(e input) bool {
	s, size := sortOf(e.event)
	if s == hint && b.hints[e.event] {
		return true
	}
	if !b.fits(s, size, e.event) {
		b.refuse(protocol.ReasonInbox)
		return false
	}
	b.held[s].events++
	b.held[s].bytes += size
	b.events = append(b.events, e)
	return true
}

// fits reports whether there is room, and notes what must not be forgotten if there is not.
func (b *inbox) fits(s sort, size int, e view.Event) bool {
	full := s != own && (b.held[s].events >= roomFor[s].events || b.held[s].bytes+size > roomFor[s].bytes)
	switch e := e.(type) {
	case view.RecordStored:
		b.missed[e.Record.Bucket] = b.missed[e.Record.Bucket] || full
	case view.BeatReceived:
		if full || b.beats[e.Beat.Node] >= beatsOfOne {
			return false
		}
		b.beats[e.Beat.Node]++
	default:
		if s == hint && !full {
			b.hints[e] = true
		}
	}
	return !full
}

// miss notes that records of a bucket were lost on their way here.
func (b *inbox) miss(bucket protocol.Bucket) {
	b.mu.Lock()
	b.missed[bucket] = !b.closed
	b.mu.Unlock()
	b.wake()
}

func (b *inbox) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take returns all that waits; last, which buckets' records were lost.
func (b *inbox) take() []input {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	for _, x := range buckets {
		if b.missed[x] {
			events = append(events, input{event: view.RecordsMissed{Bucket: x}})
		}
	}
	b.reset()
	return events
}

var buckets = []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket}

// close drops what is there and what comes.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reset()
	b.closed = true
}

// sortOf returns the sort of an event, and about how many bytes it holds.
func sortOf(e view.Event) (sort, int) {
	const fixed = 128
	switch e := e.(type) {
	case view.RecordStored:
		return record, fixed + len(e.Record.Key) + len(e.Record.Value)
	case view.BeatReceived:
		return beat, fixed + beatBytes(&e.Beat)
	case view.ControlReceived:
		return control, fixed + len(e.Verb) + len(e.Data)
	case view.NobodyThere:
		return hint, fixed + len(e.Node)
	case view.ConnReported:
		return hint, fixed + len(e.Conn.Server)
	case view.Woken:
		return hint, fixed
	}
	return own, 0
}

func beatBytes(b *protocol.Beat) int {
	const each = 64 // of an element, beside its texts
	n := len(b.Node) + len(b.Report.Waiting)*each + len(b.Report.Failed)*each + len(b.Labels)*each
	for _, w := range b.Report.Waiting {
		n += len(w)
	}
	for _, f := range b.Report.Failed {
		n += len(f.Child) + len(f.Error)
	}
	for k, v := range b.Labels {
		n += len(k) + len(v)
	}
	for _, r := range b.Report.Restarted {
		n += each + len(r.Child) + len(r.Error)
	}
	for _, x := range b.Report.Notices {
		n += each + len(x.Child) + len(x.Text)
	}
	for _, list := range [][]string{b.Report.Trouble, b.Kinds} {
		for _, text := range list {
			n += each + len(text)
		}
	}
	return n
}
