#!/usr/bin/env bash
# A consumer whose filter is widened leaves out messages that lie beyond what it says it has delivered (nats-server 2.15.3)
#
# Expected: a new filter holds from the consumer's position on. Its info says that it has delivered up to stream sequence 3, so a message
# at 4 that only the new filter matches comes next: NumPending says 2, and on a work queue it is delivered, being there and unacknowledged.
#
# Happens: a consumer that has caught up has, invisibly, moved to the end of the stream: looking for the next match of the old filter it passed
# 4 and 5. The update keeps that place. Info still says delivered 3, NumPending 0, and the two messages never come; on a work queue
# they stay stored until another consumer is made. One message less acknowledged or fetched before the update, and they are delivered: whether a
# filter reaches back depends on how far the consumer had looked. Narrowing has its like: what is unacknowledged of the old filter comes again.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: after both of two matches were acknowledged: delivered 3, pending 0, fetched []; after one of them: fetched [2 3 4 5].
#
# For a user: to change filters (partitions that move between consumers, say), make a new consumer that starts at the old one's acknowledged
# position, or reset the consumer to it.
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

var ctx = context.Background()

func main() {
	_, js := started()
	for retention, stays := range map[jetstream.RetentionPolicy]int{jetstream.LimitsPolicy: 5, jetstream.WorkQueuePolicy: 3} {
		name := retention.String()
		stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, Retention: retention}))
		consumer := func(filter string) jetstream.Consumer {
			return must(stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "d", FilterSubject: name + filter, AckPolicy: jetstream.AckExplicitPolicy}))
		}
		consumer(".a")
		for _, subject := range []string{".a", ".b", ".a", ".b", ".b"} {
			must(js.Publish(ctx, name+subject, nil))
		}
		seen(name+": fetched with the filter a", fetch(consumer(".a")), "[1 3]")
		wide := consumer(".>")
		info := must(wide.Info(ctx))
		seen(name+": delivered, pending with the filter >", fmt.Sprint(info.Delivered.Stream, info.NumPending), "3 0")
		seen(name+": fetched with the filter >", fetch(wide), "[]")
		seen(name+": messages that stay", must(stream.Info(ctx)).State.Msgs, stays)
	}

	stream := must(js.Stream(ctx, jetstream.LimitsPolicy.String()))
	one := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "one", FilterSubject: "Limits.a", AckPolicy: jetstream.AckExplicitPolicy}))
	if err := must(one.Next()).DoubleAck(ctx); err != nil {
		panic(err)
	}
	one = must(stream.UpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "one", FilterSubject: "Limits.>", AckPolicy: jetstream.AckExplicitPolicy}))
	seen("fetched with the filter > when one match was left", fetch(one), "[2 3 4 5]")
}

// fetch takes and acknowledges what there is, and returns the sequences.
func fetch(c jetstream.Consumer) (out []uint64) {
	out = []uint64{}
	for m := range must(c.Fetch(10, jetstream.FetchMaxWait(time.Second))).Messages() {
		out = append(out, must(m.Metadata()).Sequence.Stream)
		if err := m.DoubleAck(ctx); err != nil {
			panic(err)
		}
	}
	return out
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
