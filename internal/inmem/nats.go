package inmem

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// NATS is a whole NATS deployment in memory. Its methods may be called concurrently.
type NATS struct {
	mu       sync.Mutex
	broker   *broker
	hubs     map[string]*hub
	sessions map[protocol.Conn]*Session // those that the servers take for open
	clients  uint64                     // client ids given
	starts   map[string]int             // of each server: its id is new with each

	drop     func(from, to, subject string) bool
	latency  time.Duration
	stalled  map[string]bool // nodes whose writes and reads wait; "" for all
	moved    chan struct{}   // closed and made anew when stalled changes
	loseAcks int
	rejects  map[protocol.Bucket]string // why writes are refused
	silent   map[string]bool            // servers that answer no question about connections
	access   bool                       // servers report closed connections, and close some on demand
}

// New returns a NATS without any data.
func New() *NATS {
	return &NATS{
		broker: newBroker(), hubs: map[string]*hub{}, sessions: map[protocol.Conn]*Session{},
		starts: map[string]int{}, stalled: map[string]bool{}, silent: map[string]bool{}, rejects: map[protocol.Bucket]string{}, moved: make(chan struct{}),
	}
}

func (n *NATS) hub(name string) *hub {
	h := n.hubs[name]
	if h == nil {
		h = newHub(name)
		n.hubs[name] = h
	}
	return h
}

// Publish sends a message as a plain client.
func (n *NATS) Publish(subject string, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.publish("", Msg{Subject: subject, Data: data})
}

// Request sends a request as a plain client.
func (n *NATS) Request(ctx context.Context, subject string, header map[string][]string, data []byte) (Msg, error) {
	return n.request(ctx, nil, Msg{Subject: subject, Header: header, Data: data})
}

// PublishRequest sends a message that asks for an answer on a subject, as a plain client.
func (n *NATS) PublishRequest(subject, reply string, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.publish("", Msg{Subject: subject, Reply: reply, Data: data})
}

// Subscribe calls f for each message, as a plain client, until the returned function is called. f must
// not block and not call into the NATS.
func (n *NATS) Subscribe(filter string, f func(Msg)) (unsubscribe func()) {
	s := &subscription{filter: filter, deliver: f}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broker.add(s)
	return func() { n.unsubscribe(s) }
}

// Put stores a value in a bucket as a foreign client would, without any condition.
func (n *NATS) Put(hub string, b protocol.Bucket, key string, value []byte) uint64 {
	return n.force(hub, b, view.Write{Key: key, Value: value})
}

// Delete leaves a delete marker in a bucket as a foreign client would.
func (n *NATS) Delete(hub string, b protocol.Bucket, key string) uint64 {
	return n.force(hub, b, view.Write{Key: key, Delete: true})
}

func (n *NATS) force(hubName string, b protocol.Bucket, w view.Write) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hub(hubName)
	w.Last = h.buckets[b].last[w.Key].Revision
	rev, err := n.write(h, h.buckets[b], []view.Write{w})
	if err != nil {
		panic(fmt.Sprintf("inmem: unconditional write refused: %v", err)) // the condition was just read
	}
	return rev
}

// Value returns what is stored under a key.
func (n *NATS) Value(hub string, b protocol.Bucket, key string) (view.Record, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.hub(hub).buckets[b].last[key]
	return r, ok
}

// connected is what the server of a connection says of it.
func (n *NATS) connected(c protocol.Conn) view.Evidence {
	n.mu.Lock()
	defer n.mu.Unlock()
	server, start, ok := cutServer(c.Server)
	switch {
	case !ok || n.silent[server] || n.starts[server] != start:
		return view.Unknown
	case n.sessions[c] != nil:
		return view.Open
	}
	return view.Closed
}

// ready waits while a node's reads and writes are stalled.
func (n *NATS) ready(ctx context.Context, s *Session) error {
	for {
		n.mu.Lock()
		wait := n.stalled[""] || n.stalled[s.cfg.Node] || s.severed
		moved, closed, latency := n.moved, s.closed, n.latency
		n.mu.Unlock()
		if closed {
			return coordinator.ErrClosed
		}
		if !wait {
			return sleep(ctx, latency)
		}
		select {
		case <-moved:
		case <-s.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
