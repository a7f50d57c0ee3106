#!/usr/bin/env bash
# An object whose description changes outlives its content in a bucket with a TTL (nats.go 1.55.0)
#
# Expected: the TTL of an object store is that of its objects: name, description and content go together, either at the TTL after Put, or after
# the last change.
#
# Happens: an object is messages of its own for its content and one for what is said about it. UpdateMeta (a description, a new name, a
# header) writes only the latter anew, so the content goes first. Until the rest goes too, up to a whole TTL later, GetInfo and List
# show the object, with its size and not deleted, and Get waits its five seconds and fails with a timeout, which looks like a network in
# trouble. By the same rule an object whose Put took a minute begins to lose content a minute before its entry goes.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: info: 7 bytes, deleted: false; its content is a timeout: true, after 5 seconds.
#
# For a user: in buckets with a TTL put an object again to change what is said about it, and give its Get a short deadline.
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
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	_, js := started()
	ctx := context.Background()
	obs := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B", TTL: 4 * time.Second}))
	must(obs.PutString(ctx, "left", "content"))
	must(obs.PutString(ctx, "described", "content"))
	time.Sleep(2 * time.Second)
	if err := obs.UpdateMeta(ctx, "described", jetstream.ObjectMeta{Name: "described", Description: "checked"}); err != nil {
		panic(err)
	}
	time.Sleep(3 * time.Second)
	_, err := obs.GetInfo(ctx, "left")
	seen("info of the one", err, "nats: object not found")
	info := must(obs.GetInfo(ctx, "described"))
	seen("info of the other", fmt.Sprint(info.Size, " bytes, deleted: ", info.Deleted), "7 bytes, deleted: false")
	began := time.Now()
	_, err = obs.GetString(ctx, "described")
	seen("its content is a timeout", err != nil && strings.Contains(err.Error(), "timeout"), true)
	seen("after seconds", time.Since(began).Round(time.Second).Seconds(), 5)
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
