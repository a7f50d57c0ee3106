package jetstream

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// pings opens a connection that goes silent, as that of a process which hangs, and looks whether its server gives it up
// before it may.
func (x *examiner) pings(ctx context.Context) {
	hung := &hangingDialer{}
	s := newSession(Config{Hub: examineHub, Node: "hung", Dial: x.dial, Logger: x.s.log})
	nc, err := x.dial(s.options(ctx), func(o *nats.Options) error {
		hung.next = o.CustomDialer
		o.CustomDialer = hung
		return nil
	})
	if err != nil {
		s.stop()
		x.Patience.Err = dialError(err)
		return
	}
	defer s.Close()
	if err := s.use(nc); err != nil {
		x.Patience.Err = err
		return
	}
	hung.hangs.Store(true)
	x.Patience = x.outlives(ctx, s.conn, protocol.Contact)
}

// outlives asks for a connection until it is closed, or a time is over.
func (x *examiner) outlives(ctx context.Context, c protocol.Conn, d time.Duration) Finding {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		after := time.Since(began)
		switch got, err := x.s.Connected(ctx, c); {
		case err != nil:
			return Finding{After: after, Err: err}
		case got == view.Closed:
			return Finding{After: after, Err: fmt.Errorf("%w: %v after it had answered the last ping, want %v or more", ErrGivenUp, after.Round(time.Millisecond), d)}
		case after >= d:
			return Finding{After: after}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Finding{After: after, Err: ctx.Err()}
		}
	}
}

// hangingDialer makes connections that, once told to, neither take nor give anything and stay open.
type hangingDialer struct {
	next  nats.CustomDialer
	hangs atomic.Bool
}

// Dial is called by the client.
func (d *hangingDialer) Dial(network, address string) (net.Conn, error) {
	var conn net.Conn
	var err error
	if d.next != nil {
		conn, err = d.next.Dial(network, address)
	} else {
		conn, err = net.DialTimeout(network, address, dialTimeout)
	}
	if err != nil {
		return nil, err
	}
	return &hangingConn{Conn: conn, d: d, closed: make(chan struct{})}, nil
}

type hangingConn struct {
	net.Conn
	d      *hangingDialer
	shut   atomic.Bool
	closed chan struct{}
}

// Read gives nothing more once the connection hangs.
func (c *hangingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.d.hangs.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Write throws away what is written once the connection hangs.
func (c *hangingConn) Write(b []byte) (int, error) {
	if c.d.hangs.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Close closes the connection, which also ends a Read that hangs.
func (c *hangingConn) Close() error {
	if c.shut.CompareAndSwap(false, true) {
		close(c.closed)
	}
	return c.Conn.Close()
}
