#!/usr/bin/env bash
# A publish repeated while the first is under way is a duplicate on one server, and an error on three (nats-server 2.15.3)
#
# Expected: the same Nats-Msg-Id twice in a short time is stored once, and the second answer says duplicate: true with the sequence of the first. So it
# is with one replica, whose answers come in order. An impatient client may repeat a send and takes either answer for success.
#
# Happens: on a stream with three replicas the second is refused with 10158 "duplicate message id is in process" (status 409) while the first
# has not been agreed on, and as a duplicate only afterwards. The error says neither that the message is stored nor that it will be: if the first
# fails too, nothing is. Callers that treat a JetStream API error as final report a failure for what is then stored. Tests with a single
# server never see that code. nats.go has no retry for it (only for "no responders").
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: 20 pairs on one replica: 20 stored, 20 duplicates; on three replicas: 20 stored, 20 times 10158.
#
# For a user: after 10158 ask again with the same id and a pause, until it is a duplicate or stored.
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
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	servers := cluster()
	js := must(jetstream.New(must(nats.Connect(servers[0].ClientURL()))))
	ctx := context.Background()
	for replicas, want := range map[int]string{1: "map[duplicate:20 stored:20]", 3: "map[10158:20 stored:20]"} {
		name := "R" + strconv.Itoa(replicas)
		stream := created(ctx, js, jetstream.StreamConfig{Name: name, Subjects: []string{name}, Replicas: replicas})
		answers := map[string]int{}
		for i := range 20 {
			var acks [2]jetstream.PubAckFuture
			for k := range acks {
				acks[k] = must(js.PublishAsync(name, nil, jetstream.WithMsgID(strconv.Itoa(i))))
			}
			for _, a := range acks {
				answers[answer(a)]++
			}
			again := must(js.Publish(ctx, name, nil, jetstream.WithMsgID(strconv.Itoa(i))))
			if !again.Duplicate {
				panic("later it is a duplicate")
			}
		}
		seen("answers to 20 pairs, "+name, answers, want)
		seen("messages in "+name, must(stream.Info(ctx)).State.Msgs, 20)
	}
}

func answer(a jetstream.PubAckFuture) string {
	select {
	case ack := <-a.Ok():
		if ack.Duplicate {
			return "duplicate"
		}
		return "stored"
	case err := <-a.Err():
		if api, ok := errors.AsType[*jetstream.APIError](err); ok {
			return strconv.Itoa(int(api.ErrorCode))
		}
		return err.Error()
	}
}

// created makes a stream as soon as the cluster is ready for it.
func created(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) jetstream.Stream {
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		s, err := js.CreateStream(ctx, c)
		if err == nil {
			return s
		}
		if time.Now().After(until) {
			panic(err)
		}
	}
}

// cluster starts three servers on free ports of the loopback interface.
func cluster() (servers []*server.Server) {
	var ports []int
	var routes []*url.URL
	for range 3 {
		l := must(net.Listen("tcp", "127.0.0.1:0"))
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		ports = append(ports, port)
		routes = append(routes, must(url.Parse(fmt.Sprintf("nats://127.0.0.1:%d", port))))
	}
	for i, port := range ports {
		s := must(server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: must(os.MkdirTemp(".", "store")),
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}, Routes: routes, NoLog: true, NoSigs: true,
		}))
		s.Start()
		servers = append(servers, s)
	}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		current, leader := 0, false
		for _, s := range servers {
			if s.JetStreamIsCurrent() {
				current++
			}
			leader = leader || s.JetStreamIsLeader()
		}
		if current == len(servers) && leader {
			return servers
		}
	}
	panic("the cluster does not start")
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
