#!/usr/bin/env bash
# What a codec can't decode is an error, is left out or is passed on raw, by method (orbit.go kvcodec 0.1.2)
#
# Expected: one answer to an entry that the codec can't decode, and never its raw bytes as if they were the value: the package has
# ErrKeyDecodeFailed and ErrValueDecodeFailed for that. Such entries come from tools (`nats kv put`), older programs and changed codecs.
#
# Happens: one foreign key makes Keys fail for the whole bucket, ListKeys leaves it out silently, a watch delivers it under its encoded name.
# A value that can't be decoded is returned as stored by Get and watches, without an error: a reader takes ciphertext or base64 for
# the value. ErrValueDecodeFailed is never returned, because Value() has no error.
#
# Versions: orbit.go kvcodec 0.1.2, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: Keys: failed to decode key; ListKeys: [mine]; watch: mine, x=y; Value: plain!
#
# For a user: check values yourself (a magic number, a checksum), and keep a bucket to one codec.
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
	"errors"
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
	raw := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"}))
	kv := kvcodec.New(raw, kvcodec.Base64Codec(), kvcodec.Base64Codec())
	must(kv.PutString(ctx, "mine", "v"))
	must(raw.PutString(ctx, "x=y", "plain!")) // valid in the bucket, not base64

	_, err := kv.Keys(ctx)
	seen("Keys fails", errors.Is(err, kvcodec.ErrKeyDecodeFailed), true)
	var listed []string
	for k := range must(kv.ListKeys(ctx)).Keys() {
		listed = append(listed, k)
	}
	seen("ListKeys", listed, "[mine]")
	var watched []string
	w := must(kv.WatchAll(ctx))
	for e := range w.Updates() {
		if e == nil {
			break
		}
		watched = append(watched, e.Key()+" "+string(e.Value()))
	}
	seen("WatchAll", watched, "[mine v x=y plain!]")
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
