#!/usr/bin/env bash
# A fast batch commits without an error although one of its messages was refused (orbit.go jetstreamext 0.3.2)
#
# Expected: Commit fails, or its count leaves out what was not stored. A publish whose condition does not hold is an error in js.Publish
# and in the atomic batch of the same package, and the count of the answer is documented as the batch's size.
#
# Happens: with gaps allowed, Commit returns no error and a BatchSize that includes the refused message. Without gaps allowed, the first
# refusal ends the batch at the server: what follows is dropped, Add goes on without an error until that news arrives, and a Commit sent
# before it returns no error, with the count of what came before. The same when the refused message is the one that commits. Only the optional error handler hears of it (default: none).
#
# Versions: orbit.go jetstreamext 0.3.2, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: added 4, refused 1, Commit's error <nil>, BatchSize 4, stored 3.
#
# For a user: always set WithFastPublisherErrorHandler, and compare Commit's count with what was added; with gaps allowed even that is
# not enough. For conditional writes use the atomic batch.
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
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

func main() {
	_, js := started()
	ctx := context.Background()
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "F", Subjects: []string{"f.*"}, AllowBatchPublish: true}))
	var told atomic.Int32
	b := must(jetstreamext.NewFastPublisher(js, jetstreamext.WithFastPublisherContinueOnGap(true),
		jetstreamext.WithFastPublisherErrorHandler(func(error) { told.Add(1) })))
	must(b.Add("f.1", nil))
	_, err := b.Add("f.2", nil, jetstreamext.WithBatchExpectLastSequenceForSubject(99, "f.2"))
	seen("Add of the message that is refused", err, nil)
	must(b.Add("f.3", nil))
	ack, err := b.Commit(ctx, "f.4", nil)
	seen("Commit's error", err, nil)
	seen("Commit's count", ack.BatchSize, 4)
	seen("stored", must(stream.Info(ctx)).State.Msgs, 3)
	seen("calls of the error handler", told.Load(), 1)

	quiet := must(jetstreamext.NewFastPublisher(js, jetstreamext.WithFastPublisherContinueOnGap(true))) // no handler: nobody is told
	must(quiet.Add("f.5", nil))
	ack, err = quiet.Commit(ctx, "f.6", nil, jetstreamext.WithBatchExpectLastSequenceForSubject(99, "f.6"))
	seen("Commit's error when its own message is refused", err, nil)
	seen("Commit's count then", ack.BatchSize, 1)
	seen("stored", must(stream.Info(ctx)).State.Msgs, 4)
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
