#!/usr/bin/env bash
# A list of keys can be watched once: the watch changes it (nats.go 1.55.0)
#
# Expected: WatchFiltered takes the keys and leaves the caller's slice as it was. A program that keeps its list and watches again after an error,
# or two buckets by one list, sees the same keys each time.
#
# Happens: the keys are replaced in the caller's slice by their subjects (WatchFiltered in jetstream/kv.go writes keys[i]). The next call with it
# fails with "key cannot be empty and must be a valid NATS subject", which says nothing of that and is true of neither. It is
# the second try that fails, so no test of the first shows it, and a service that loses its watch never gets it back. ListKeysFiltered
# does the same to a slice that is passed on as filters..., and so does WatchFiltered of the older API.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: the caller's list: [$KV.B.a $KV.B.b]; the same watch again: nats: invalid key.
#
# For a user: pass slices.Clone(keys).
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

	keys := []string{"a", "b"}
	w := must(kv.WatchFiltered(ctx, keys))
	seen("entries that the first watch shows", entries(w), 2)
	seen("the caller's list", keys, "[$KV.B.a $KV.B.b]")
	_, err := kv.WatchFiltered(ctx, keys)
	seen("the same watch again", err, "nats: invalid key: key cannot be empty and must be a valid NATS subject")

	filters := []string{"a", "b"}
	lister := must(kv.ListKeysFiltered(ctx, filters...))
	var listed int
	for range lister.Keys() {
		listed++
	}
	seen("keys that the first list shows", listed, 2)
	_, err = kv.ListKeysFiltered(ctx, filters...)
	seen("the same list again", err, "nats: invalid key: key cannot be empty and must be a valid NATS subject")
}

// entries counts what a watch shows before its mark for the end of what was there.
func entries(w jetstream.KeyWatcher) int {
	var n int
	for e := range w.Updates() {
		if e == nil {
			break
		}
		n++
	}
	return n
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
