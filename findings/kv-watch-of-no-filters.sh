#!/usr/bin/env bash
# A watch of an empty list of keys is a watch of the whole bucket (nats.go 1.55.0)
#
# Expected: WatchFiltered and ListKeysFiltered with no filters give nothing or an error: they are for the keys that match the filters, and no key
# matches none. The batch read for the same purpose (GetLastMsgsFor in orbit.go) refuses an empty list.
#
# Happens: both give every key of the bucket. For a consumer no filter means all, and the KV layer puts ">" in for an empty list.
# A caller that works the list out (the keys it owns, those of a role) and finds none gets, and is sent, everything.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: keys in the bucket: a b; WatchFiltered of none: a b; ListKeysFiltered of none: a b.
#
# For a user: do not watch when the list is empty.
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
	kv := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"}))
	must(kv.PutString(ctx, "a", "1"))
	must(kv.PutString(ctx, "b", "2"))
	var mine []string // none
	var watched, listed []string
	w := must(kv.WatchFiltered(ctx, mine))
	for e := range w.Updates() {
		if e == nil {
			break
		}
		watched = append(watched, e.Key())
	}
	for k := range must(kv.ListKeysFiltered(ctx, mine...)).Keys() {
		listed = append(listed, k)
	}
	seen("WatchFiltered of none", watched, "[a b]")
	seen("ListKeysFiltered of none", listed, "[a b]")
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
