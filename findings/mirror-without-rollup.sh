#!/usr/bin/env bash
# A mirror keeps what its origin has rolled up, unless it allows rollups itself (nats-server 2.15.3)
#
# Expected: a mirror holds the messages of its origin under the same sequences. A rollup (Nats-Rollup: sub) that leaves one message of a subject in the
# origin leaves one in the mirror, for it is a message like others there, with that header. If a mirror can't follow, it is refused or says so.
#
# Happens: unless AllowRollup is set on the mirror too, the rollup is stored as an ordinary message, and all that it replaced stays: the
# copy grows without end, and reads of it that are not "last of the subject" give what no longer counts. Mirror info shows lag 0 and no error.
# Sources the same. With AllowRollup the copy follows. Buckets of nats.go set it; a mirror made by hand, or by `nats stream add --mirror`, of
# an object store or of any stream with rollups does not.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: origin 1 message, mirror without AllowRollup 4 with lag 0, mirror with it 1.
#
# For a user: set AllowRollup (and MaxMsgsPerSubject, MaxAge) on a mirror as on its origin, and compare the number of messages, not the lag.
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
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "ORIGIN", Subjects: []string{"o"}, AllowRollup: true}))
	for name, allow := range map[string]bool{"PLAIN": false, "ALLOWED": true} {
		must(js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Mirror: &jetstream.StreamSource{Name: "ORIGIN"}, AllowRollup: allow}))
	}
	time.Sleep(time.Second) // both follow
	for i := range 4 {
		m := nats.NewMsg("o")
		if i == 3 {
			m.Header.Set("Nats-Rollup", "sub")
		}
		must(js.PublishMsg(ctx, m))
	}
	time.Sleep(2 * time.Second)
	info := func(name string) *jetstream.StreamInfo { return must(must(js.Stream(ctx, name)).Info(ctx)) }
	seen("messages in the origin", info("ORIGIN").State.Msgs, 1)
	seen("messages in the mirror that allows rollups", info("ALLOWED").State.Msgs, 1)
	plain := info("PLAIN")
	seen("messages in the one that does not, and its lag", fmt.Sprint(plain.State.Msgs, plain.Mirror.Lag), "4 0")
	seen("last sequences", fmt.Sprint(info("ORIGIN").State.LastSeq, plain.State.LastSeq), "4 4")
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
