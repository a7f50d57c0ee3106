#!/usr/bin/env bash
# A stream with sources stores repeated ids twice, or drops messages of its sources (nats-server 2.15.3)
#
# Expected: the duplicate window is 2 minutes unless told otherwise, for a stream with subjects of its own and sources as well. What it copies is
# copied as it is: an id is unique in the stream it was published to, so EU's order-1 and US's order-1 are two messages.
#
# Happens: with a source the default window is 0 (checkStreamCfg in server/stream.go), also after an update with a configuration that names none and
# now has a source: from then on a publish that is tried again is stored twice, and its answer says "not a duplicate". Whoever sets a window to get
# that back has the ids of copied messages counted too: the second origin's message is skipped, for good. Lag 0, no error, no line in the log. Even of
# one origin: a copy that is made later takes in a moment what came over months, so of an id that is used once a day one message is copied.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: before the source: duplicate true; after: false, window 0s; with a window: 1 of 2 messages of two
# sources, 1 of 5 of one source that keeps 5, lag 0, error <nil>.
#
# For a user: publish to streams without sources, and source those into one that nobody publishes to and that has no window; or make
# ids that are unique over all origins and all time.
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
	_, js := started()
	for _, name := range []string{"EU", "US"} {
		must(js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}))
		must(js.Publish(ctx, name+".orders", []byte(name), jetstream.WithMsgID("order-1")))
	}

	cfg := jetstream.StreamConfig{Name: "ALL", Subjects: []string{"all.>"}}
	must(js.CreateStream(ctx, cfg))
	seen("published twice, duplicate", twice(js, "order-2"), true)
	cfg.Sources = []*jetstream.StreamSource{{Name: "EU"}, {Name: "US"}}
	all := must(js.UpdateStream(ctx, cfg))
	seen("published twice with sources, duplicate", twice(js, "order-3"), false)
	seen("window", all.CachedInfo().Config.Duplicates, "0s")
	settled(all)
	seen("messages", count(all), "5 (lag 0, error <nil>)")

	cfg = jetstream.StreamConfig{Name: "ALL2", Sources: cfg.Sources, Duplicates: 2 * time.Minute}
	all = must(js.CreateStream(ctx, cfg))
	settled(all)
	seen("messages of two sources with a window", count(all), "1 (lag 0, error <nil>)")

	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "REPORTS", Subjects: []string{"report"}, Duplicates: 100 * time.Millisecond}))
	for range 5 {
		must(js.Publish(ctx, "report", nil, jetstream.WithMsgID("nightly")))
		time.Sleep(300 * time.Millisecond)
	}
	reports := must(must(js.Stream(ctx, "REPORTS")).Info(ctx)).State.Msgs
	seen("messages of one id in their stream", reports, 5)
	cfg = jetstream.StreamConfig{Name: "ARCHIVE", Sources: []*jetstream.StreamSource{{Name: "REPORTS"}}, Duplicates: 2 * time.Minute}
	archive := must(js.CreateStream(ctx, cfg))
	settled(archive)
	seen("in a copy with a window", count(archive), "1 (lag 0, error <nil>)")
}

// twice publishes a message twice under one id and says whether the second was recognised.
func twice(js jetstream.JetStream, id string) bool {
	must(js.Publish(ctx, "all.own", nil, jetstream.WithMsgID(id)))
	return must(js.Publish(ctx, "all.own", nil, jetstream.WithMsgID(id))).Duplicate
}

// settled waits until a stream has heard from all its sources, has nothing left to copy, and a second longer.
func settled(s jetstream.Stream) {
	for range 100 {
		behind := false
		for _, o := range must(s.Info(ctx)).Sources {
			behind = behind || o.Active < 0 || o.Lag > 0
		}
		if !behind {
			time.Sleep(time.Second)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	panic("the copy does not end")
}

// count counts the messages of a stream and says what is known of its last source.
func count(s jetstream.Stream) string {
	info := must(s.Info(ctx))
	o := info.Sources[len(info.Sources)-1]
	return fmt.Sprintf("%d (lag %d, error %v)", info.State.Msgs, o.Lag, o.Error)
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
