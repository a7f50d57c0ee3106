package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// limit is what bare NATS needs for the same: a connection that hears now that it is to take n
// subjects, until a requester had an answer on the last one.
func (b *bench) limit(ctx context.Context, n int) (time.Duration, error) {
	nc, err := b.another()
	if err != nil {
		return 0, err
	}
	msgs := make(chan *nats.Msg, n)
	defer close(msgs) // after nothing can send to it
	defer nc.Close()
	go echoAll(msgs)
	began := time.Now()
	last := ""
	for i := range n {
		last = fmt.Sprintf("%s.limit.%d", b.hub, i)
		if _, err := nc.ChanSubscribe(last, msgs); err != nil {
			return 0, err
		}
	}
	for {
		if _, err = b.nc.RequestWithContext(ctx, last, nil); err == nil {
			return time.Since(began), nil
		}
		if !errors.Is(err, nats.ErrNoResponders) || !pause(ctx, 500*time.Microsecond) {
			return 0, err
		}
	}
}

// another connects anew, where a node may be connected: to embedded servers to the last.
func (b *bench) another() (*nats.Conn, error) {
	if b.servers == nil {
		return b.app.conn.connect()
	}
	return nats.Connect(b.servers.Servers[len(b.servers.Servers)-1].URL())
}

// echoAll answers what comes until the channel is closed.
func echoAll(msgs <-chan *nats.Msg) {
	for m := range msgs {
		_ = m.Respond(m.Data) // a lost answer is asked for again
	}
}
