#!/usr/bin/env bash
# A durable consumer is deleted when it is idle, because its stream has a limit for others (nats-server 2.15.3)
#
# Expected: the consumer limits of a stream are the most that a consumer may ask for. A durable that asks for no InactiveThreshold stays until
# it is deleted, as durables do; at worst its creation is refused, as it is for a MaxAckPending above the limit.
#
# Happens: a consumer that names no threshold gets the stream's as its own, durable or not. After that time without a client (a
# deployment, a weekend) it is gone, and its position with it: whoever makes it again by the usual CreateOrUpdate starts at the beginning, and
# on an interest stream what came meanwhile was never kept. Nothing is logged for the owner; the deletion is an advisory like any other.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: asked for 0s, got 1s; after 2.5 s idle: consumer not found; without the limit it is still there.
#
# For a user: on streams with consumer limits give each durable an InactiveThreshold as long as its longest absence, or leave that limit out.
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
	for name, limit := range map[string]time.Duration{"LIMITED": time.Second, "FREE": 0} {
		stream := must(js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name}, ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: limit, MaxAckPending: 5},
		}))
		c := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "d", AckPolicy: jetstream.AckExplicitPolicy}))
		seen(name+": threshold that the durable got", c.CachedInfo().Config.InactiveThreshold, limit)
		time.Sleep(2500 * time.Millisecond)
		_, err := stream.Consumer(ctx, "d")
		seen(name+": gone after 2.5 s idle", errors.Is(err, jetstream.ErrConsumerNotFound), limit > 0)
		_, err = stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "e", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 10})
		seen(name+": MaxAckPending above the limit is refused", err != nil, true)
	}
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
