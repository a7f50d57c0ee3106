#!/usr/bin/env bash
# The context of joining a consumer group still matters after joining (orbit.go pcgroups 0.2.2)
#
# Expected: the README says that the context "is going to be used only for the operations that are part of joining", so one gives it a time
# limit of some seconds, as for any request.
#
# Happens: it also carries the watch of the group's configuration (kv.Watch in StaticConsume and ElasticConsume, which ends with its context).
# When the limit passes, a member of an elastic group stops consuming with an error about its watcher. A member of a static group goes on but
# is deaf: it does not notice that its group is deleted, Done() stays silent, where with an unlimited context it ends at once (and its
# control goroutine spins on the closed channel meanwhile).
#
# Versions: orbit.go pcgroups 0.2.2, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: elastic member ended after its 1 s limit; static member with a limit: nothing in 3 s after deletion, without a limit: ended: <nil>.
#
# For a user: join with context.Background() or one that lives as long as the member.
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
	"strings"
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
	must(js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "O", Subjects: []string{"o.*"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "o.*", Destination: "{{partition(4,1)}}.o.{{wildcard(1)}}"},
	}))
	config := jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1, AckWait: 5 * time.Second}
	ack := func(m jetstream.Msg) { _ = m.Ack() }
	short := func() context.Context {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		time.AfterFunc(time.Minute, cancel)
		return limited
	}

	must(pcgroups.CreateElastic(ctx, js, "E", "g", 4, []pcgroups.PartitioningFilter{{Filter: "e.*", PartitioningWildcards: []int{1}}}, 0, 0))
	must(pcgroups.AddMembers(ctx, js, "E", "g", []string{"m1"}))
	elastic := must(pcgroups.ElasticConsume(short(), js, "E", "g", "m1", ack, config))
	seen("elastic member ends with its joining context", strings.Contains(ended(elastic), "watcher has been closed"), true)

	static := func(group string, joining context.Context) string {
		must(pcgroups.CreateStatic(ctx, js, "O", group, 4, []string{">"}, []string{"m1"}, nil))
		member := must(pcgroups.StaticConsume(joining, js, "O", group, "m1", ack, config))
		defer member.Stop()
		time.Sleep(1500 * time.Millisecond)
		if err := pcgroups.DeleteStatic(ctx, js, "O", group); err != nil {
			panic(err)
		}
		return ended(member)
	}
	seen("static member, joined without a limit, when its group is deleted", static("free", ctx), "<nil>")
	seen("static member, joined with a limit of 1 s, when its group is deleted", static("limited", short()), "not told")
}

func ended(c pcgroups.ConsumerGroupConsumeContext) string {
	select {
	case err := <-c.Done():
		return fmt.Sprint(err)
	case <-time.After(3 * time.Second):
		return "not told"
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
