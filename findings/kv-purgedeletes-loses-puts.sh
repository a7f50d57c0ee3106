#!/usr/bin/env bash
# Tidying up deleted keys of a bucket can remove a key that was just created (nats.go 1.55.0)
#
# Expected: PurgeDeletes removes delete markers. A key that somebody creates meanwhile has no marker any more, so it stays; its Create has
# succeeded and has a revision.
#
# Happens: PurgeDeletes reads all markers first and then purges the subjects of those keys, one by one, up to whatever is there by then
# (kvs.PurgeDeletes in jetstream/kv.go gives no sequence with the purge). A value that was stored between the two is gone: Get and GetRevision
# say "not found", no marker is left, no watcher is told. By default that concerns markers older than 30 minutes; of younger ones
# the last message is kept. `nats kv compact` does the same.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: Create's revision: 4001; Get and GetRevision: key not found.
#
# For a user: let nobody write while it runs, or purge key by key oneself, with Stream.Purge, WithPurgeSubject and the
# marker's revision + 1 as WithPurgeSequence; or let markers expire (LimitMarkerTTL, PurgeTTL).
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
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const keys = 2000

func main() {
	nc, js := started()
	ctx := context.Background()
	kv := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B", History: 5}))
	for i := range keys {
		must(kv.PutString(ctx, fmt.Sprintf("k%d", i), "old"))
		if err := kv.Delete(ctx, fmt.Sprintf("k%d", i)); err != nil {
			panic(err)
		}
	}

	// Another client comes back to the last key as soon as the first of the purges is under way.
	last := fmt.Sprintf("k%d", keys-1)
	var once sync.Once
	revision := make(chan uint64, 1)
	must(nc.Subscribe("$JS.API.STREAM.PURGE.KV_B", func(*nats.Msg) {
		once.Do(func() { revision <- must(kv.Create(ctx, last, []byte("new"))) })
	}))
	if err := kv.PurgeDeletes(ctx, jetstream.DeleteMarkersOlderThan(-1)); err != nil {
		panic(err)
	}
	seen("Create's revision", <-revision, 2*keys+1)
	_, err := kv.Get(ctx, last)
	seen("Get", err, "nats: key not found")
	_, err = kv.GetRevision(ctx, last, 2*keys+1)
	seen("GetRevision", err, "nats: key not found")
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
