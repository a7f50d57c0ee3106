package coordinator

import "sync"

// inbox takes events from any goroutine without ever blocking one, and hands them to the loop in the
// order of their arrival.
type inbox struct {
	mu     sync.Mutex
	events []input
	closed bool
	ready  chan struct{} // holds one token while there are events
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

func (b *inbox) put(e input) {
	b.mu.Lock()
	if !b.closed {
		b.events = append(b.events, e)
	}
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []input {
	b.mu.Lock()
	defer b.mu.Unlock()
	events := b.events
	b.events = nil
	return events
}

// close drops what is there and what comes.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.events = true, nil
}
