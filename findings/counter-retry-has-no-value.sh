#!/usr/bin/env bash
# A repeated increment of a JetStream counter is recognised, but its answer has no value (nats-server 2.15.3)
#
# Expected: an increment with a Nats-Msg-Id can be retried like any publish: the second answer says "duplicate" and carries the counter's
# value: ADR-49 has the value in every answer, so that the caller needs no read.
#
# Happens: the answer to the retry has `duplicate: true` and no `val`. A client that takes the value from the answer has none just when
# the first answer was lost; one that parses a missing value as zero reports 0. What the counter stood at after the first try can't be
# asked for any more if others have incremented it since.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: first "5", retry "" (duplicate: true), counter 5.
#
# For a user: treat a duplicate as "done, value unknown", and read the message at the sequence that the answer names: it holds the value.
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
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "C", Subjects: []string{"c.>"}, AllowMsgCounter: true, AllowDirect: true}))
	add := func() *jetstream.PubAck {
		m := nats.NewMsg("c.hits")
		m.Header.Set("Nats-Incr", "+5")
		return must(js.PublishMsg(ctx, m, jetstream.WithMsgID("one")))
	}
	first, again := add(), add()
	seen("first answer's value", first.Value, "5")
	seen("retry is a duplicate", again.Duplicate, true)
	seen("retry's value", again.Value, "")
	seen("stored at the sequence that it names", string(must(stream.GetMsg(ctx, again.Sequence)).Data), `{"val":"5"}`)
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
