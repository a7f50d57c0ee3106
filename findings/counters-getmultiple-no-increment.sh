#!/usr/bin/env bash
# Counter entries read by GetMultiple have no increment (orbit.go counters 0.1.2)
#
# Expected: Get and GetMultiple give the same Entry. The field for the last increment is there for audits and recounts by its comment, which
# are done over many counters, and ADR-49 makes no difference between the two.
#
# Happens: Get sets Incr, GetMultiple leaves it nil for every entry. It reads and checks the header (a bad one is an error), then builds
# the Entry without it (GetMultiple in counters.go).
# For a subject that does not exist, Get says ErrNoCounterForSubject, GetMultiple jetstreamext.ErrNoMessages, which does not match it.
#
# Versions: orbit.go counters 0.1.2, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: Get 7, GetMultiple <nil>.
#
# For a user: an audit over many counters must read the Nats-Incr headers itself.
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
	github.com/synadia-io/orbit.go/counters v0.1.2
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
	"github.com/synadia-io/orbit.go/counters"
)

func main() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "C", Subjects: []string{"c.>"}, AllowMsgCounter: true, AllowDirect: true}))
	c := must(counters.GetCounter(ctx, js, "C"))
	must(c.AddInt(ctx, "c.hits", 7))
	seen("increment by Get", must(c.Get(ctx, "c.hits")).Incr, 7)
	for e, err := range c.GetMultiple(ctx, []string{"c.*"}) {
		seen("value by GetMultiple", must(e, err).Value, 7)
		seen("increment by GetMultiple is there", e.Incr != nil, false)
	}
	_, err := c.Get(ctx, "c.none")
	seen("Get of none is ErrNoCounterForSubject", errors.Is(err, counters.ErrNoCounterForSubject), true)
	for _, err := range c.GetMultiple(ctx, []string{"c.none"}) {
		seen("GetMultiple of none is ErrNoCounterForSubject", errors.Is(err, counters.ErrNoCounterForSubject), false)
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
