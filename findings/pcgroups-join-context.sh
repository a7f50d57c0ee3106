#!/usr/bin/env bash
# A member of an elastic consumer group ends with the context of its joining (orbit.go pcgroups 0.2.2)
#
# Expected: the README says that this context serves the requests of joining only, and that a member is ended by its Stop method. So one gives it
# a time limit of some seconds, as for any request.
#
# Happens: it also carries the watch of the group's configuration (kv.Watch in ElasticConsume), which ends with its context. When the limit passes,
# the member stops consuming with an error about its watcher, on a healthy connection. Its partitions wait
# for another instance of that member, if there is one.
#
# Versions: orbit.go pcgroups 0.2.2, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: joined with a limit of 1 s: ended after it; joined without: still on after 4 s.
#
# For a user: join with context.Background() or one that lives as long as the member, and watch Done().
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
	github.com/synadia-io/orbit.go/pcgroups v0.2.2
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
	"github.com/synadia-io/orbit.go/pcgroups"
)

func main() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "E", Subjects: []string{"e.*"}}))
	config := jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: 5 * time.Second}
	ack := func(m jetstream.Msg) { _ = m.Ack() }

	must(pcgroups.CreateElastic(ctx, js, "E", "g", 4, []pcgroups.PartitioningFilter{{Filter: "e.*", PartitioningWildcards: []int{1}}}, 0, 0))
	must(pcgroups.AddMembers(ctx, js, "E", "g", []string{"m1"}))
	seen("joined without a limit", ended(must(pcgroups.ElasticConsume(ctx, js, "E", "g", "m1", ack, config))), "still on")
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	seen("joined with a limit of 1 s", ended(must(pcgroups.ElasticConsume(limited, js, "E", "g", "m1", ack, config))),
		"the elastic consumer group config watcher has been closed, stopping")
}

func ended(c pcgroups.ConsumerGroupConsumeContext) string {
	select {
	case err := <-c.Done():
		return fmt.Sprint(err)
	case <-time.After(4 * time.Second):
		return "still on"
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
