#!/usr/bin/env bash
# A subscription that a reload took away does not come back with the right to it (nats-server 2.15.3, nats.go 1.55.0)
#
# Expected: a configuration reload that by mistake takes a user's right to subscribe, and a second one that gives it back, leave things as they
# were: the connection was open all the time, the subscription is there (IsValid says so), the micro service runs (Stopped says no).
#
# Happens: the first reload removes the subscription at the server (processSubsOnConfigReload in server/client.go) and tells the client by an
# asynchronous permission error, which gives the subject only in its text. The client keeps it as valid; nobody subscribes again. After the second
# reload requests still find no responders and messages are lost, for as long as the connection lasts. Only a reconnect,
# or a new subscription, brings it back. A service of nats.go's micro package stays up and deaf, PING included.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: after the right was given back: subscription valid, gets nothing; service not stopped, no responders; after a reconnect: both work.
#
# For a user: take a permission error on a subscription as its end: subscribe again with back-off, or close the connection.
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
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const file = "server.conf"

func main() {
	allow("orders.>")
	opts := must(server.ProcessConfigFile(file))
	opts.NoLog, opts.NoSigs = true, true
	s := must(server.NewServer(opts))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	asker := must(nats.Connect(s.ClientURL(), nats.UserInfo("asker", "p")))
	nc := must(nats.Connect(s.ClientURL(), nats.UserInfo("worker", "p"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	sub := must(nc.SubscribeSync("orders.new"))
	service := must(micro.AddService(nc, micro.Config{Name: "orders", Version: "1.0.0", Endpoint: &micro.EndpointConfig{
		Subject: "orders.ask", Handler: micro.HandlerFunc(func(r micro.Request) { _ = r.Respond(nil) }),
	}}))
	works := func() string {
		if err := nc.Flush(); err != nil {
			panic(err)
		}
		if err := asker.Publish("orders.new", nil); err != nil {
			panic(err)
		}
		_, err := sub.NextMsg(500 * time.Millisecond)
		_, asked := asker.Request("orders.ask", nil, time.Second)
		return fmt.Sprintf("message %v, request %v, valid %v, stopped %v, reconnects %d", err, asked, sub.IsValid(), service.Stopped(), nc.Reconnects)
	}
	reload := func(subject string) {
		allow(subject)
		if err := s.Reload(); err != nil {
			panic(err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	const deaf = "message nats: timeout, request nats: no responders available for request, valid true, stopped false, reconnects 0"

	seen("at first", works(), "message <nil>, request <nil>, valid true, stopped false, reconnects 0")
	reload("other.>")
	seen("without the right", works(), deaf)
	reload("orders.>")
	seen("with the right again", works(), deaf)
	if err := nc.ForceReconnect(); err != nil {
		panic(err)
	}
	time.Sleep(time.Second)
	seen("after a reconnect", works(), "message <nil>, request <nil>, valid true, stopped false, reconnects 1")
}

// allow writes the configuration: what the worker may subscribe to, beside the service's own subjects.
func allow(subject string) {
	text := `listen: "127.0.0.1:-1"
authorization { users: [
  { user: asker, password: p }
  { user: worker, password: p, permissions: { publish: ">", subscribe: [ "` + subject + `", "_INBOX.>", "$SRV.>" ] } }
] }
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
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
