#!/usr/bin/env bash
# Messages that went through a batch stay part of it when they are published singly (orbit.go jetstreamext 0.3.2)
#
# Expected: PublishMsgBatch and AddMsg leave the messages that they are given as they were, as nats.go's PublishMsg does. After a batch
# was refused, a caller falls back to publishing the same messages one by one and hears of each whether it is stored.
#
# Happens: the batch's headers (Nats-Batch-Id, Nats-Batch-Sequence, on the last Nats-Batch-Commit) are written into the caller's messages and
# stay there. Published singly, the first begins that batch anew: it is an error ("invalid jetstream publish response", the server's empty
# answer to an uncommitted part) and not stored, the next likewise; the last commits, so all are stored after all, those too that
# were reported as failed. Without the last, nothing is, ten seconds later. A stream without batches refuses such a message (10174). Who keeps
# a message as a template, or passes it on, passes the batch on.
#
# Versions: orbit.go jetstreamext 0.3.2, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: singly: error, error, <nil>; stored after each: 0 0 3.
#
# For a user: give batches copies of messages, or take the headers that begin with Nats-Batch- off afterwards.
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
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

func main() {
	_, js := started()
	ctx := context.Background()
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowAtomicPublish: true}))
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "PLAIN", Subjects: []string{"plain.*"}}))
	messages := []*nats.Msg{nats.NewMsg("s.1"), nats.NewMsg("s.2"), nats.NewMsg("s.3")}
	messages[1].Header.Set("Nats-Expected-Last-Subject-Sequence", "99")
	_, err := jetstreamext.PublishMsgBatch(ctx, js, messages)
	seen("the batch is refused", err != nil, true)
	var names []string
	for name := range messages[2].Header {
		names = append(names, name)
	}
	slices.Sort(names)
	seen("headers of the last message", names, "[Nats-Batch-Commit Nats-Batch-Id Nats-Batch-Sequence]")

	messages[1].Header.Del("Nats-Expected-Last-Subject-Sequence")
	stored := func() uint64 { return must(stream.Info(ctx)).State.Msgs }
	for i, want := range []string{"true 0", "true 0", "false 3"} {
		_, err := js.PublishMsg(ctx, messages[i])
		failed := errors.Is(err, jetstream.ErrInvalidJSAck)
		seen(fmt.Sprintf("message %d by itself: failed, messages stored", i+1), fmt.Sprint(failed, stored()), want)
	}
	messages[0].Subject = "plain.1"
	_, err = js.PublishMsg(ctx, messages[0])
	seen("message 1 to a stream without batches fails", err != nil, true)
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
