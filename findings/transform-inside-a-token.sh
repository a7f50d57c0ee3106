#!/usr/bin/env bash
# A subject transform that stands inside a token is taken literally, and all subjects become one (nats-server 2.15.3)
#
# Expected: "st.v{{wildcard(1)}}" puts the first wildcard behind a v; or the stream is refused, as it is for a function that does not exist,
# a wildcard out of range and too few arguments, each of which has an error of its own.
#
# Happens: the stream is accepted. A function counts only if it is a whole token (indexPlaceHolders in server/subject_transform.go);
# else the braces are part of the stored subject. Every message goes to the one subject "st.v{{wildcard(1)}}", whatever it was
# published to: with one message per subject, as in a bucket, each overwrites the last, and a consumer for "st.v1" gets nothing. Account mappings alike.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: published in.1, in.2, in.3; subjects in the stream: map[st.v{{wildcard(1)}}:1].
#
# For a user: build tokens before publishing, or give the function a token of its own; look at the subjects of a new stream once.
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
	create := func(name, destination string) (jetstream.Stream, error) {
		return js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".*"}, MaxMsgsPerSubject: 1,
			SubjectTransform: &jetstream.SubjectTransformConfig{Source: name + ".*", Destination: destination},
		})
	}
	_, err := create("none", "st.{{nosuch(1)}}")
	seen("a function that does not exist is refused", err != nil, true)
	stream := must(create("in", "st.v{{wildcard(1)}}"))
	for _, n := range []string{"1", "2", "3"} {
		must(js.Publish(ctx, "in."+n, []byte(n)))
	}
	info := must(stream.Info(ctx, jetstream.WithSubjectFilter(">")))
	seen("subjects in the stream", info.State.Subjects, "map[st.v{{wildcard(1)}}:1]")
	whole := must(create("whole", "st2.v.{{wildcard(1)}}"))
	for _, n := range []string{"1", "2"} {
		must(js.Publish(ctx, "whole."+n, nil))
	}
	info = must(whole.Info(ctx, jetstream.WithSubjectFilter(">")))
	seen("as a token of its own", info.State.Subjects, "map[st2.v.1:1 st2.v.2:1]")
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
