#!/usr/bin/env bash
# Path keys that contain a dot come back as other keys, and collide (orbit.go kvcodec 0.1.2)
#
# Expected: PathCodec makes paths usable as keys: what was put under "etc/app.conf" is listed as "etc/app.conf". The codec's own comments
# promise that keys survive the way there and back; dots are legal in the keys of a bucket and usual in paths.
#
# Happens: slashes become dots and, on the way back, all dots become slashes. "etc/app.conf" is listed as "etc/app/conf"; putting
# "etc/app/conf" overwrites it without a word, so a file and a folder of one name before the dot share a value. A trailing slash is dropped
# too ("a" and "a/" are one key). Get of the original name hides this, because it returns the name that it was given.
#
# Versions: orbit.go kvcodec 0.1.2, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: put etc/app.conf, keys [etc/app/conf], and its value after a put of etc/app/conf is the latter's.
#
# For a user: encode each part first (ChainCodec with Base64Codec works on the parts between dots, so it does not help), or keep dots out of names.
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
	github.com/synadia-io/orbit.go/kvcodec v0.1.2
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
	"github.com/synadia-io/orbit.go/kvcodec"
)

func main() {
	_, js := started()
	ctx := context.Background()
	kv := kvcodec.NewForKey(must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"})), kvcodec.PathCodec())
	must(kv.PutString(ctx, "etc/app.conf", "file"))
	seen("keys after a put of etc/app.conf", must(kv.Keys(ctx)), "[etc/app/conf]")
	must(kv.PutString(ctx, "etc/app/conf", "other"))
	e := must(kv.Get(ctx, "etc/app.conf"))
	seen("get etc/app.conf", e.Key()+" "+string(e.Value()), "etc/app.conf other")
	must(kv.PutString(ctx, "dir/", "slash"))
	seen("get dir", string(must(kv.Get(ctx, "dir")).Value()), "slash")
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
