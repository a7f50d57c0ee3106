package inmem

import (
	"sync"
	"time"
)

// mailbox calls functions one by one, in the order in which they were put, in a goroutine of its own.
type mailbox struct {
	mu     sync.Mutex
	cond   *sync.Cond
	queue  []func()
	held   bool
	closed bool
	delay  func() time.Duration
}

// newMailbox makes a mailbox whose goroutine ends after close; start runs it.
func newMailbox(delay func() time.Duration, start func(func())) *mailbox {
	b := &mailbox{delay: delay}
	b.cond = sync.NewCond(&b.mu)
	start(b.run)
	return b
}

func (b *mailbox) put(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.queue = append(b.queue, f)
		b.cond.Signal()
	}
}

// hold stops the calls, or lets them go on.
func (b *mailbox) hold(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = on
	b.cond.Signal()
}

// close drops what is left.
func (b *mailbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.queue = true, nil
	b.cond.Signal()
}

func (b *mailbox) run() {
	for {
		f := b.take()
		if f == nil {
			return
		}
		if d := b.delay(); d > 0 {
			time.Sleep(d)
		}
		f()
	}
}

func (b *mailbox) take() func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.closed && (b.held || len(b.queue) == 0) {
		b.cond.Wait()
	}
	if b.closed {
		return nil
	}
	f := b.queue[0]
	b.queue = b.queue[1:]
	return f
}
