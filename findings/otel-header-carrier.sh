#!/usr/bin/env bash
# OpenTelemetry's HeaderCarrier does not see a lower-case traceparent in NATS headers, and adds a second one (otel 1.47.0, nats.go 1.55.0)
#
# Expected: propagation.HeaderCarrier(msg.Header), the usual bridge (nats.Header has the type of http.Header), reads the traceparent that a client
# in another language, the nats CLI or a proxy sent. W3C Trace Context has names compared without case, asks for lower case where a
# protocol keeps it, and nats-server finds the header in any case when it traces messages.
#
# Happens: the carrier is http.Header: Get and Set use the canonical form "Traceparent", and nothing made the names of a NATS message canonical
# on its way in, as net/http does. A lower-case traceparent is not found, so a new trace begins. If a handler passes its request's headers on
# and injects its own span, the message bears both names with different parents: NATS servers and lower-case readers take the
# old one, Go services the new one. Between two Go services all is well, so tests do not show it.
#
# Versions: go.opentelemetry.io/otel 1.47.0, nats.go 1.55.0, nats-server 2.15.3. Date: 2026-11-29.
# Output seen: extracted from "traceparent": false; headers after an injection: [Traceparent traceparent].
#
# For a user: write a TextMapCarrier of one's own that looks names up without case and writes them in lower case.
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
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/trace v1.47.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func main() {
	nc, _ := started()
	seen("valid parent from traceparent", received(nc, "traceparent").IsValid(), false)
	seen("valid parent from Traceparent", received(nc, "Traceparent").IsValid(), true)

	m := sent(nc, "traceparent")
	own := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	propagation.TraceContext{}.Inject(own, propagation.HeaderCarrier(m.Header))
	var names []string
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	seen("headers after an injection", names, "[Traceparent traceparent]")
}

// sent sends a message with the parent under a name, and returns it as it arrives.
func sent(nc *nats.Conn, name string) *nats.Msg {
	sub := must(nc.SubscribeSync("a"))
	defer func() { _ = sub.Unsubscribe() }()
	m := nats.NewMsg("a")
	m.Header.Set(name, parent)
	if err := nc.PublishMsg(m); err != nil {
		panic(err)
	}
	return must(sub.NextMsg(5 * time.Second))
}

func received(nc *nats.Conn, name string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(sent(nc, name).Header))
	return trace.SpanContextFromContext(ctx)
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
