#!/usr/bin/env bash
# Two servers on one JetStream folder both start, both acknowledge, and half of it is lost at the next start (nats-server 2.15.3)
#
# Expected: the second server says that the folder is in use and does not start, as databases and other brokers do (etcd, Prometheus, Kafka
# and nats-streaming-server lock theirs). Two on one folder is a common slip: a volume that is mounted twice, a pod replaced while
# the old one still ends, a script run again, the default folder below /tmp.
#
# Happens: nothing is locked. The second server recovers the streams, logs no warning, and serves them. From then on there are two of each: both
# give out the same sequences (so a bucket's revisions, and with them fencing tokens, come twice), compare-and-set succeeds on both, and neither
# sees the other's writes. At the next start only one's writes are there. Account limits and the size on disk look right on both.
#
# Versions: nats-server 2.15.3 (2.15.2 alike, as two processes), nats.go 1.55.0. Date: 2026-11-29.
# Output seen: JetStream enabled on both, first revisions 1 and 1, 40 writes acknowledged, 20 entries after a restart.
#
# For a user: start servers through something that excludes a second one (flock, a ReadWriteOncePod volume, a StatefulSet), give each a
# folder with its name in it, never the default one.
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

var ctx = context.Background()

func main() {
	first, js1 := start("first")
	kv1 := must(js1.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"}))
	second, js2 := start("second")
	seen("JetStream enabled", fmt.Sprint(first.JetStreamEnabled(), " ", second.JetStreamEnabled()), "true true")
	kv2 := must(js2.KeyValue(ctx, "B"))
	for i := range 20 {
		r1 := must(kv1.Create(ctx, fmt.Sprintf("first-%d", i), nil))
		r2 := must(kv2.Create(ctx, fmt.Sprintf("second-%d", i), nil))
		if i == 0 {
			seen("first revisions", fmt.Sprint(r1, " ", r2), "1 1")
		}
	}
	fmt.Println("acknowledged: 40")
	for _, s := range []*server.Server{first, second} {
		s.Shutdown()
		s.WaitForShutdown()
	}
	_, js := start("third")
	seen("entries after a restart", len(must(must(js.KeyValue(ctx, "B")).Keys(ctx))), 20)
}

func start(name string) (*server.Server, jetstream.JetStream) {
	dir := must(os.Getwd()) + "/store"
	s := must(server.NewServer(&server.Options{ServerName: name, Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true}))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	return s, must(jetstream.New(must(nats.Connect(s.ClientURL()))))
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
