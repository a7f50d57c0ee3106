#!/usr/bin/env bash
# Reading an object takes five seconds at most, however large it is (nats.go 1.55.0)
#
# Expected: Get with a context that has no deadline opens the object (within the API's usual five seconds) and returns a reader, which lasts as long as
# bytes come, as that of an HTTP answer does. The older API's Get does so.
#
# Happens: the default timeout of one API call is put on the reader as well (obs.Get in jetstream/object.go wraps the context once for
# all). Five seconds after Get, in the middle of the object, Read fails with "nats: timeout", be it that the object is large,
# the link slow or the reader (a client of an HTTP server) in no hurry. GetBytes and GetFile the same. Small objects on a fast link never show it,
# and a program that moves from the older API has it from then on.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: at 1 MiB a second of 8 MiB: nats: timeout; with a deadline of an hour, and with the older API: all of it.
#
# For a user: give Get a context with a deadline that the slowest download meets; context.Background() is the one that fails.
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
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const size = 8 << 20

func main() {
	nc, js := started()
	ctx := context.Background()
	obs := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "B"}))
	must(obs.PutBytes(ctx, "o", make([]byte, size)))

	n, err := slowly(must(obs.Get(ctx, "o")))
	seen("all is read", n == size, false)
	seen("error", err, "nats: timeout")

	open, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	n, err = slowly(must(obs.Get(open, "o")))
	seen("with a deadline of an hour", fmt.Sprint(n == size, " ", err), "true <nil>")

	legacy := must(must(nc.JetStream()).ObjectStore("B"))
	n, err = slowly(must(legacy.Get("o")))
	seen("with the older API", fmt.Sprint(n == size, " ", err), "true <nil>")
}

// slowly reads an object at 1 MiB a second, as a slow disk or a client of an HTTP server does.
func slowly(r io.ReadCloser) (int, error) {
	defer func() { _ = r.Close() }()
	var all bytes.Buffer
	for {
		_, err := io.CopyN(&all, r, 1<<20)
		if err == io.EOF {
			return all.Len(), nil
		}
		if err != nil {
			return all.Len(), err
		}
		time.Sleep(time.Second)
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
