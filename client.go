package phub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// Client talks to a hub over a NATS connection that stays the caller's: a Client never closes it, and
// any number of clients may share it. All methods may be called concurrently.
//
// Answers come to the connection's inboxes. If its user may only read some, connect with nats.CustomInboxPrefix;
// `phub permissions` prints what a user needs. What the user may not do fails with ErrDenied.
//
// An answer without the header Phub-Node is no node's: the method fails with ErrForeign, which names what it is if it is a
// stream's that records the subject. That header is no proof: who may hear requests and publish to the client's inboxes can set it. So
// keep inboxes private.
//
// A context without a deadline gets one: 5 s for requests to children, 30 s for everything else.
type Client struct {
	nc       *nats.Conn
	hub      string
	subjects protocol.Subjects
	denials  denials
}

// Deadlines of calls whose context has none.
const (
	defaultRequestTimeout = 5 * time.Second
	defaultControlTimeout = 30 * time.Second
)

// NewClient returns a client of a hub. It sends nothing. An error says what is wrong with nc or hub.
func NewClient(nc *nats.Conn, hub string) (*Client, error) {
	if nc == nil {
		return nil, &protocol.FieldError{Field: "connection", Found: "nil", Allowed: "a NATS connection"}
	}
	if err := protocol.ValidateHub(hub); err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	return &Client{nc: nc, hub: hub, subjects: protocol.SubjectsOf(hub), denials: denials{nc: nc}}, nil
}

// Hub returns the name of the hub.
func (c *Client) Hub() string { return c.hub }

// withTimeout gives ctx a deadline if it has none.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// Back-off between tries.
const (
	firstBackoff = 2 * time.Millisecond
	maxBackoff   = 100 * time.Millisecond
)

// backoff returns how long to wait before retry number n (from 0): doubling from 2 ms to 100 ms, the
// upper half of it by chance so that clients do not march in step.
func backoff(n int) time.Duration {
	d := maxBackoff
	if n < 6 {
		d = min(firstBackoff<<n, maxBackoff)
	}
	return d/2 + rand.N(d/2)
}

// pause waits for d, and reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
