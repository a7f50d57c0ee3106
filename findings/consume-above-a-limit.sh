#!/usr/bin/env bash
# Consume with its defaults gets nothing from a consumer that limits requests (nats.go 1.55.0)
#
# Expected: a consumer with MaxRequestBatch 10 or MaxRequestExpires 5 s serves Consume: the client knows the configuration (CachedInfo) and asks
# for 10, or Consume returns an error, or ends. Fetch(20) returns the refusal as its error.
#
# Happens: Consume asks for 500 messages and 30 s, whatever the consumer allows. The server refuses the first request with status 409. Consume
# returned nil before that and its ConsumeContext stays open; every half minute, when it misses heartbeats, the same request is refused again (seen
# for 70 s). The refusals go to ConsumeErrHandler, which is optional and unset by default. Messages pile up at a consumer that looks connected. Limits that are set later, to protect a server, silence
# clients that run in the same way at their next request.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: consumed 0 of 30 in 3 s, closed false, errors [nats: Exceeded MaxRequestBatch of 10]; with PullMaxMessages(10): 30.
#
# For a user: always set ConsumeErrHandler, and PullMaxMessages and PullExpiry below what the consumer allows.
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
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}))
	for range 30 {
		must(js.Publish(ctx, "s", nil))
	}
	consume := func(config jetstream.ConsumerConfig, opts ...jetstream.PullConsumeOpt) string {
		config.AckPolicy = jetstream.AckExplicitPolicy
		c := must(js.CreateConsumer(ctx, "S", config))
		var mu sync.Mutex
		n, errs := 0, []error{}
		opts = append(opts, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		}))
		running := must(c.Consume(func(m jetstream.Msg) {
			mu.Lock()
			defer mu.Unlock()
			n++
			_ = m.Ack()
		}, opts...))
		defer running.Stop()
		closed := false
		select {
		case <-running.Closed():
			closed = true
		case <-time.After(3 * time.Second):
		}
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprintf("consumed %d, closed %v, errors %v", n, closed, errs)
	}
	seen("no limit", consume(jetstream.ConsumerConfig{Durable: "a"}), "consumed 30, closed false, errors []")
	seen("MaxRequestBatch 10", consume(jetstream.ConsumerConfig{Durable: "b", MaxRequestBatch: 10}),
		"consumed 0, closed false, errors [nats: Exceeded MaxRequestBatch of 10]")
	seen("MaxRequestExpires 5s", consume(jetstream.ConsumerConfig{Durable: "c", MaxRequestExpires: 5 * time.Second}),
		"consumed 0, closed false, errors [nats: Exceeded MaxRequestExpires of 5s]")
	seen("MaxRequestBatch 10, PullMaxMessages(10)", consume(jetstream.ConsumerConfig{Durable: "d", MaxRequestBatch: 10}, jetstream.PullMaxMessages(10)),
		"consumed 30, closed false, errors []")
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
