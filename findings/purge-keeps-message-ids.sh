#!/usr/bin/env bash
# A purged message can't be sent again with its id: the answer is success, and nothing is stored (nats-server 2.15.3)
#
# Expected: de-duplication keeps a message from being stored twice. After a purge it is stored no times, so the id is free; the answer
# "duplicate" means "it is there", with its sequence.
#
# Happens: for the duplicate window (2 minutes by default) the id is still known. The publish succeeds, says duplicate, names the sequence of
# a message that no longer exists, and stores nothing. The same after a delete of that message and after its TTL has passed: the table of
# ids is kept apart from the messages (stream.ddmap) and only its own timer clears it.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: after purge, delete and TTL alike: duplicate true, 0 messages in the stream.
#
# For a user: "empty the queue, then send everything again" loses what was sent in the last two minutes. After a purge use new ids,
# or read the sequence that a duplicate names before believing it.
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
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	_, js := started()
	ctx := context.Background()
	gone := map[string]func(jetstream.Stream, uint64) error{
		"purge":  func(s jetstream.Stream, _ uint64) error { return s.Purge(ctx) },
		"delete": func(s jetstream.Stream, seq uint64) error { return s.DeleteMsg(ctx, seq) },
		"TTL":    func(jetstream.Stream, uint64) error { time.Sleep(2 * time.Second); return nil },
	}
	for how, remove := range gone {
		s := must(js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: how, Subjects: []string{"s." + how}, AllowMsgTTL: true}))
		opts := []jetstream.PublishOpt{jetstream.WithMsgID("order-1")}
		if how == "TTL" {
			opts = append(opts, jetstream.WithMsgTTL(time.Second))
		}
		ack := must(js.Publish(ctx, "s."+how, nil, opts...))
		if err := remove(s, ack.Sequence); err != nil {
			panic(err)
		}
		seen(how+": messages left", must(s.Info(ctx)).State.Msgs, 0)
		again := must(js.Publish(ctx, "s."+how, nil, jetstream.WithMsgID("order-1")))
		seen(how+": sent again, duplicate", again.Duplicate, true)
		seen(how+": messages then", must(s.Info(ctx)).State.Msgs, 0)
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
