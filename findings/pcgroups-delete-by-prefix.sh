#!/usr/bin/env bash
# Deleting a static consumer group deletes the consumers of another one (orbit.go pcgroups 0.2.2)
#
# Expected: DeleteStatic(stream, "bill") touches that group only. Groups are named by the user, dashes are allowed in the names, and
# CreateStatic refuses nothing here.
#
# Happens: it deletes every consumer of the stream whose name begins with "bill-" (DeleteStatic in static_stream_consumer_group.go), so
# also those of the group "bill-archive", and any durable consumer of somebody else that is called so. The other group's configuration stays, its
# members are not told: Done() stays silent. With the consumer goes the position, so a new start of that member begins at the
# stream's first message (with the default DeliverPolicy). Member names clash in the same way: member "b-c" of "a" and member "c" of "a-b" share one consumer, so each sees a part of the messages.
#
# Versions: orbit.go pcgroups 0.2.2, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: consumers before [bill-archive-m1 bill-m1], after DeleteStatic("bill") []; Done of bill-archive: nothing in 3 s.
#
# For a user: give groups names of which none is the beginning of another plus a dash.
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
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/pcgroups"
)

func main() {
	_, js := started()
	ctx := context.Background()
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "O", Subjects: []string{"o.*"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "o.*", Destination: "{{partition(4,1)}}.o.{{wildcard(1)}}"},
	}))
	consumers := func() []string {
		names := []string{}
		for n := range stream.ConsumerNames(ctx).Name() {
			names = append(names, n)
		}
		slices.Sort(names)
		return names
	}
	join := func(group, member string) pcgroups.ConsumerGroupConsumeContext {
		must(pcgroups.CreateStatic(ctx, js, "O", group, 4, []string{">"}, []string{member}, nil))
		return must(pcgroups.StaticConsume(ctx, js, "O", group, member, func(m jetstream.Msg) { _ = m.Ack() },
			jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1}))
	}
	join("bill", "m1")
	other := join("bill-archive", "m1")
	seen("consumers", consumers(), "[bill-archive-m1 bill-m1]")
	if err := pcgroups.DeleteStatic(ctx, js, "O", "bill"); err != nil {
		panic(err)
	}
	seen("consumers after DeleteStatic of bill", consumers(), "[]")
	told := "nothing"
	select {
	case err := <-other.Done():
		told = fmt.Sprint("ended: ", err)
	case <-time.After(3 * time.Second):
	}
	seen("bill-archive's member is told", told, "nothing")

	for group, member := range map[string]string{"a": "b-c", "a-b": "c"} {
		join(group, member)
	}
	seen("consumers of a's b-c and a-b's c", consumers(), "[a-b-c]")
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
