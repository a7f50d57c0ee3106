#!/usr/bin/env bash
# A schedule that samples a subject publishes its own body while that subject is empty (nats-server 2.15.3)
#
# Expected: a schedule with Nats-Schedule-Source publishes the last message of that subject, and nothing while there is none: ADR-51 says so of an
# empty subject, and a sample of nothing is no sample.
#
# Happens: until the first message on the source, and again once it was purged or has expired, the schedule's own body and headers are published
# to the target every time (getScheduledMessages in server/scheduler.go falls back to them), usually an empty message. Nothing in it tells
# it from a sample: both bear the same Nats-Scheduler. A consumer that takes an empty body for a value, or a target with one message per
# subject, loses the last good sample when a sensor falls silent for longer than its messages live.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: before the first message of the source: 1 or more messages with the body "own"; after it: 21; after a purge: own again.
#
# For a user: let the schedule's body say that there is no sample, and check for it.
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
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowMsgSchedules: true}))
	m := nats.NewMsg("s.schedule")
	m.Data = []byte("own")
	m.Header.Set("Nats-Schedule", "@every 1s")
	m.Header.Set("Nats-Schedule-Source", "s.sensor")
	m.Header.Set("Nats-Schedule-Target", "s.sample")
	must(js.PublishMsg(ctx, m))
	last := func() string {
		time.Sleep(2500 * time.Millisecond)
		sample, err := stream.GetLastMsgForSubject(ctx, "s.sample")
		if err != nil {
			return err.Error()
		}
		return string(sample.Data)
	}
	seen("last sample while the source is empty", last(), "own")
	must(js.Publish(ctx, "s.sensor", []byte("21")))
	seen("last sample when it has a message", last(), "21")
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject("s.sensor")); err != nil {
		panic(err)
	}
	seen("last sample after a purge of the source", last(), "own")
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
