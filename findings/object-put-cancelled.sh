#!/usr/bin/env bash
# A cancelled Put into an object store leaves its chunks behind for good (nats.go 1.55.0)
#
# Expected: Put cleans up when it does not finish. It does when the reader fails (checked below), its code has a function for that on
# each way out, and a context that ends is the ordinary way to give up a long upload.
#
# Happens: after a cancelled Put the chunks stay in the stream. No object refers to them: List does not show them, Delete does not
# know them, another Put of the same name does not remove them (it has a new NUID), and they count in Status().Size. The clean-up
# (purgePartial in jetstream/object.go) waits for and purges with the very context that has just ended, so its request is never sent,
# and its error is dropped. When the time runs out after the last chunk, it is not even called.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: after a failed reader 0 messages, after a cancelled Put 4, objects listed 0.
#
# For a user: after a Put that ended with its context, purge `$O.<bucket>.C.>` of NUIDs that no object names, or give buckets a MaxBytes
# and a TTL. An upload that is retried until it fits in time fills the store.
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
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// source gives n chunks and then what end returns.
type source struct {
	n   int
	end func() error
}

func (s *source) Read(p []byte) (int, error) {
	if s.n == 0 {
		if err := s.end(); err != nil {
			return 0, err
		}
		return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
	}
	s.n--
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}

var _ io.Reader = (*source)(nil)

func main() {
	_, js := started()
	ctx := context.Background()
	store := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "O"}))
	stored := func() uint64 { return must(must(js.Stream(ctx, "OBJ_O")).Info(ctx)).State.Msgs }

	_, err := store.Put(ctx, jetstream.ObjectMeta{Name: "a"}, &source{n: 3, end: func() error { return errors.New("the source broke") }})
	seen("error of the reader", err, "the source broke")
	seen("messages after it", stored(), 0)

	putting, cancel := context.WithCancel(ctx)
	_, err = store.Put(putting, jetstream.ObjectMeta{Name: "a"}, &source{n: 3, end: func() error { cancel(); return nil }})
	seen("error of the cancelled Put", err, context.Canceled)
	time.Sleep(time.Second)
	seen("messages after it", stored(), 4)
	_, err = store.List(ctx)
	seen("objects", err, jetstream.ErrNoObjectsFound)
	must(store.PutBytes(ctx, "a", []byte("x")))
	seen("messages after a Put of the same name", stored(), 6)
	if err := store.Delete(ctx, "a"); err != nil {
		panic(err)
	}
	seen("messages after Delete (one is its marker)", stored(), 5)
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
