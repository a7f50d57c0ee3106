#!/usr/bin/env bash
# An ordered consumer for new messages loses what comes between two fetches (nats.go 1.55.0)
#
# Expected: an ordered consumer delivers without gaps from where it began, and DeliverNew says where: the time it was made, or of its first
# fetch. A message that comes while nobody fetches is the next one then, as it is for an ordinary consumer.
#
# Happens: each Fetch or Next makes the server's consumer anew from the last message that was seen (getConsumerConfig in jetstream/ordered.go).
# As long as none was, that is "new" again, reckoned from the present call: what came since the last one is skipped. A loop
# of Next with a short wait loses whatever falls into its pauses until a message happens to come during a wait; after it nothing is lost any more.
# So a rare message, the first of the day, is lost most easily, and a test whose messages come during a wait shows nothing.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: after the first and after the second message: none; an ordinary consumer gets its first.
#
# For a user: read the stream's last sequence once and start behind it with DeliverByStartSequence, or use Consume or Messages.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/nats-io/nats.go v1.55.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}))

	cons := must(js.OrderedConsumer(ctx, "S", jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}))
	seen("before the first message", next(cons), "none")
	must(js.Publish(ctx, "s", []byte("first")))
	seen("after it", next(cons), "none")
	must(js.Publish(ctx, "s", []byte("second")))
	seen("after the second", next(cons), "none")

	go func() {
		time.Sleep(300 * time.Millisecond)
		must(js.Publish(ctx, "s", []byte("third")))
	}()
	seen("while the third comes", next(cons), "third")
	must(js.Publish(ctx, "s", []byte("fourth")))
	seen("after the fourth", next(cons), "fourth")

	plain := must(js.CreateConsumer(ctx, "S", jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy}))
	seen("an ordinary consumer, before a message", next(plain), "none")
	must(js.Publish(ctx, "s", []byte("fifth")))
	seen("after it", next(plain), "fifth")
}

// next asks for one message, for a second.
func next(c jetstream.Consumer) string {
	m, err := c.Next(jetstream.FetchMaxWait(time.Second))
	if errors.Is(err, nats.ErrTimeout) {
		return "none"
	}
	return string(must(m, err).Data())
}

// started starts a NATS server with JetStream on a free port of the loopback interface and connects to it.
func started() (*nats.Conn, jetstream.JetStream) {
	s := must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: must(os.MkdirTemp(".", "store")), NoLog: true, NoSigs: true,
	}))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	return nc, must(jetstream.New(nc))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// seen compares what happens with what this finding says. Any difference means that the finding has changed.
func seen(what string, got, want any) {
	fmt.Printf("%s: %v\n", what, got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fmt.Printf("changed: it was %v\n", want)
		os.Exit(1)
	}
}
EOF
timeout -k 5 300 go run .
echo "unchanged"
