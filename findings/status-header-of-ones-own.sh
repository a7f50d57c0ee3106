#!/usr/bin/env bash
# An answer without a body whose own header is "Status: 503" counts as no answer (nats.go 1.55.0)
#
# Expected: headers that do not begin with "Nats-" are the application's (ADR-4 reserves that prefix). A bridge from HTTP that answers
# with the status it got, or an entry of a bucket with such a header, is passed on as it is.
#
# Happens: clients tell the server's status messages from others by the header Status and an empty body alone. A responder's empty answer with
# Status: 503 is ErrNoResponders for the asker, who by custom asks again, so the work is done twice or more. SubscribeSync's NextMsg
# says the same of a published message. A stored message with Status: 404 is read as "message not found", though it is there, and an
# entry of a KV bucket as ErrKeyNotFound, while a watch shows it. With a body, or as "503 Service Unavailable", all are delivered.
#
# Versions: nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: request: no responders available, handled 1 time; GetMsg: message not found, stream holds 1; Get: key not found, watched [k].
#
# For a user: never copy a header called Status (or Description) into NATS messages; say it in a name of one's own.
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
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	nc, js := started()
	ctx := context.Background()

	var handled atomic.Int32
	must(nc.Subscribe("ask", func(m *nats.Msg) {
		handled.Add(1)
		answer := withStatus(m.Reply, "503")
		answer.Data = m.Data
		_ = nc.PublishMsg(answer)
	}))
	_, err := nc.Request("ask", nil, 5*time.Second)
	seen("request is ErrNoResponders", errors.Is(err, nats.ErrNoResponders), true)
	seen("handled", handled.Load(), 1)
	_, err = nc.Request("ask", []byte("body"), 5*time.Second)
	seen("request whose answer has a body", err, nil)

	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, AllowDirect: true}))
	must(js.PublishMsg(ctx, withStatus("s", "404")))
	_, err = stream.GetMsg(ctx, 1)
	seen("GetMsg of a stored message is ErrMsgNotFound", errors.Is(err, jetstream.ErrMsgNotFound), true)
	seen("messages in the stream", must(stream.Info(ctx)).State.Msgs, 1)

	kv := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B"}))
	must(js.PublishMsg(ctx, withStatus("$KV.B.k", "404")))
	_, err = kv.Get(ctx, "k")
	seen("Get of an entry is ErrKeyNotFound", errors.Is(err, jetstream.ErrKeyNotFound), true)
	w := must(kv.WatchAll(ctx))
	seen("a watch shows it", (<-w.Updates()).Key(), "k")
}

func withStatus(subject, status string) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Header.Set("Status", status)
	return m
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
