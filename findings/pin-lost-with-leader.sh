#!/usr/bin/env bash
# A pinned consumer forgets its client whenever its leader changes (nats-server 2.15.3)
#
# Expected: with priority policy "pinned" and a PinnedTTL of a minute, a change of the consumer's leader (a rolling restart of the servers, a
# step-down) leaves the pin where it is: ADR-42 has the server store the id of the pinned client and lists a timeout, an administrator's action and
# the first delivery as what makes it pick another. Acknowledgements, redeliveries and pauses survive such a change.
#
# Happens: the new leader knows of no pin. Who pulls first gets it, at once and within the TTL of the old one, and the old client's next
# pull is refused with "pin ID mismatch". In a rolling restart of three servers a standby may so take over every consumer once, with
# what the old client has in hand still unacknowledged and being worked on.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: before the step-down the other client got 0; after it 2, and the pinned one: nats: pin ID mismatch.
#
# For a user: a pin is a hint about who works, not a lease. What must not run twice needs an epoch of its own that is checked with each write.
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
	"net"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	servers := cluster()
	ctx := context.Background()
	nc := must(nats.Connect(servers[0].ClientURL()))
	js := must(jetstream.New(nc))
	created(ctx, js, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
	for range 20 {
		must(js.Publish(ctx, "s", nil))
	}
	pinned := must(js.CreateConsumer(ctx, "S", jetstream.ConsumerConfig{
		Durable: "d", AckPolicy: jetstream.AckExplicitPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{"g"}, PinnedTTL: time.Minute,
	}))
	other := must(must(jetstream.New(must(nats.Connect(servers[1].ClientURL())))).Consumer(ctx, "S", "d"))

	seen("the first client gets", fetch(pinned), "2 <nil>")
	seen("the other client gets", fetch(other), "0 <nil>")
	must(nc.Request("$JS.API.CONSUMER.LEADER.STEPDOWN.S.d", nil, 5*time.Second))
	time.Sleep(time.Second)
	seen("after the leader stepped down, the other client gets", fetch(other), "2 <nil>")
	seen("and the first", fetch(pinned), "0 nats: pin ID mismatch")
}

func fetch(c jetstream.Consumer) string {
	b := must(c.Fetch(2, jetstream.FetchMaxWait(2*time.Second), jetstream.FetchPriorityGroup("g")))
	n := 0
	for m := range b.Messages() {
		n++
		_ = m.Ack()
	}
	return fmt.Sprint(n, " ", b.Error())
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
