#!/usr/bin/env bash
# A batch read whose time is up looks like a complete, shorter one (orbit.go jetstreamext 0.3.2, natsext 0.1.3)
#
# Expected: GetBatch and GetLastMsgsFor give each message or an error. By their documentation an error ends the loop, and even an empty result is
# one; a context that has ended is an error everywhere else in nats.go.
#
# Happens: when the context's deadline passes, the loop just ends: no error, fewer messages or none at all. RequestMany (natsext) takes
# a deadline, a timeout and a closed subscription for the normal end of a scatter-gather, and the batch reads are built on it. The
# end-of-batch message (status 204) that would tell a complete answer from a cut one is taken out and kept back. The same happens
# without a deadline of one's own: nats.Options.Timeout (2 s, meant for connecting) then bounds the whole loop, the caller's work in it included.
# A context that is cancelled rather than late does give an error.
#
# Versions: orbit.go jetstreamext 0.3.2, natsext 0.1.3, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: 0 of 100 with a passed deadline and no error; a reader that pauses 2.5 s gets 1 message of 100 and no error.
#
# For a user: who restores state by batch reads loses the rest silently. Compare with Nats-Num-Pending of the last message (0 when complete),
# set a deadline that covers the handling too, and check ctx.Err() after the loop.
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
	github.com/synadia-io/orbit.go/jetstreamext v0.3.2
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
	"github.com/synadia-io/orbit.go/jetstreamext"
)

func main() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowDirect: true}))
	for i := range 100 {
		must(js.Publish(ctx, fmt.Sprintf("s.%d", i), []byte("x")))
	}
	seen("in time", read(ctx, js, 0), "100 <nil>")

	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	seen("after the deadline", read(late, js, 0), "0 <nil>")

	seen("no deadline, the reader pauses 2.5 s", read(ctx, js, 2500*time.Millisecond), "1 <nil>")
	none, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	seen("deadline 5 s, the reader pauses 2.5 s", read(none, js, 2500*time.Millisecond), "100 <nil>")
}

// read reads the last message of each subject, pausing after the first, and returns their number and the error.
func read(ctx context.Context, js jetstream.JetStream, pause time.Duration) string {
	all, err := jetstreamext.GetLastMsgsFor(ctx, js, "S", []string{"s.*"})
	n := 0
	if err == nil {
		for _, e := range all {
			if err = e; err != nil {
				break
			}
			if n++; n == 1 {
				time.Sleep(pause)
			}
		}
	}
	return fmt.Sprint(n, " ", err)
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
