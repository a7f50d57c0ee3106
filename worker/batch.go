package worker

import (
	"context"
	"sync"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

const (
	batchSize    = 1000 // children in one call of Open or Close
	batchCalls   = 4    // at once
	batchTimeout = 5 * time.Second
	batchGather  = 120 * time.Millisecond // after a failure: a little longer than replica.Limits.Retry
)

// batch gathers what is to be opened (or closed) and does it for many children at once: what arrives
// while a call is under way makes up the next.
type batch struct {
	h    *Host
	open bool

	mu     sync.Mutex
	wanted []*slot
	conn   uint64
	paused int
	runs   bool
	failed bool // the last call
}

func (b *batch) pause() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paused++
}

func (b *batch) resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paused--
	b.kick()
}

// add asks for s to be opened (or closed) over a connection. The slot's lock is held.
func (b *batch) add(s *slot, conn uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if conn != b.conn {
		b.wanted, b.conn = nil, conn // nobody waits for those of an older connection
	}
	b.wanted = append(b.wanted, s)
	b.kick()
}

func (b *batch) kick() {
	if b.runs || b.paused > 0 || len(b.wanted) == 0 {
		return
	}
	b.runs = true
	b.h.tasks.spawn(b.run)
}

func (b *batch) run() {
	for {
		slots, conn := b.take()
		if len(slots) == 0 {
			return
		}
		b.chunks(slots, conn)
		b.gather()
	}
}

// gather waits for more until what failed is tried again, which is soon and comes one by one.
func (b *batch) gather() {
	b.mu.Lock()
	failed := b.failed
	b.failed = false
	b.mu.Unlock()
	if !failed {
		return
	}
	select {
	case <-time.After(batchGather):
	case <-b.h.ctx.Done():
	}
}

func (b *batch) take() ([]*slot, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	slots := b.wanted
	b.wanted = nil
	b.runs = len(slots) > 0
	return slots, b.conn
}

// chunks makes the calls, a few at a time.
func (b *batch) chunks(slots []*slot, conn uint64) {
	var wg sync.WaitGroup
	room := make(chan struct{}, batchCalls)
	for len(slots) > 0 {
		part := slots[:min(batchSize, len(slots))]
		slots = slots[len(part):]
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			b.call(part, conn)
		})
	}
	wg.Wait()
}

func (b *batch) call(slots []*slot, conn uint64) {
	l := b.h.link.Load()
	if l == nil || l.conn != conn {
		return
	}
	names := make([]protocol.Interest, len(slots))
	for i, s := range slots {
		names[i] = protocol.Interest{Child: s.child, Group: s.interest()}
	}
	err := b.send(l, names)
	if err != nil && l.ctx.Err() == nil {
		b.h.cfg.Logger.Warn("subscriptions were not changed; trying again", "open", b.open, "children", len(names), "first", names[0].Child, "error", err)
	}
	b.mu.Lock()
	b.failed = b.failed || err != nil
	b.mu.Unlock()
	for _, s := range slots {
		if b.open {
			s.step(replica.Opened{Conn: conn, OK: err == nil})
		} else {
			s.step(replica.Closed{Conn: conn, OK: err == nil})
		}
	}
}

func (b *batch) send(l *link, what []protocol.Interest) error {
	ctx, cancel := context.WithTimeout(l.ctx, batchTimeout)
	defer cancel()
	if b.open {
		return l.t.Open(ctx, what)
	}
	names := make([]string, len(what))
	for i, w := range what {
		names[i] = w.Child
	}
	return l.t.Close(ctx, names)
}

// interest returns the queue group in which the replica's requests are to be taken.
func (s *slot) interest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m.Group()
}
