package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// limit is what bare NATS needs for the same, if all others know at once that a connection is closed which has
// n subscriptions: they subscribe as many between them, until a requester had an answer on each.
func (b *bench) limit(ctx context.Context, n int) (_ time.Duration, err error) {
	var conns []*nats.Conn
	msgs := make(chan *nats.Msg, n)
	defer close(msgs) // after nothing can send to it
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	for i := range b.nodes {
		nc, err := b.connect(b.server(i))
		if err != nil {
			return 0, err
		}
		conns = append(conns, nc)
	}
	victim, others := conns[len(conns)-1], conns[:len(conns)-1]
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = fmt.Sprintf("%s.limit.%d", b.hub, i)
		if _, err := victim.ChanSubscribe(fmt.Sprintf("%s.closed.%d", b.hub, i), msgs); err != nil {
			return 0, err
		}
	}
	a, err := newAsker(b.nc, subjects, func(int) uint64 { return 0 }, func(int, uint64, *nats.Msg) bool { return true })
	if err != nil {
		return 0, err
	}
	defer a.stop()
	if err := errors.Join(victim.FlushTimeout(trialPatience), b.nc.FlushTimeout(trialPatience)); err != nil {
		return 0, err
	}
	go echoAll(msgs)
	a.began = time.Now()
	victim.Close()
	for i, subject := range subjects {
		if _, err := others[i%len(others)].ChanSubscribe(subject, msgs); err != nil {
			return 0, err
		}
	}
	if err := a.until(ctx, trialPatience); err != nil {
		return 0, fmt.Errorf("measure plain NATS: %w", err)
	}
	return a.last(), nil
}

// echoAll answers what comes until the channel is closed.
func echoAll(msgs <-chan *nats.Msg) {
	for m := range msgs {
		echo(m)
	}
}
