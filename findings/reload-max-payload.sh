#!/usr/bin/env bash
# A reload that lowers max_payload closes a client for good at its next larger message (nats-server 2.15.3, nats.go 1.55.0)
#
# Expected: clients learn a reloaded limit as they learn of new servers, by an INFO message; until then their own limit, from connecting, is
# checked first, and a message over it is ErrMaxPayload for the caller and no harm to the connection.
#
# Happens: the new limit holds at once for connections that are open (maxPayloadOption in server/reload.go), but no INFO is sent: MaxPayload()
# still says the old value, so the client sends. The server answers with a violation and closes the connection, and nats.go takes
# that as final: the connection is CLOSED, with MaxReconnects(-1) too, and with it every subscription on it. Publish had returned nil.
# New connections see the new limit and get the error.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: old connection MaxPayload 1048576, Publish of 5000 bytes <nil>, then CLOSED; new connection 1000, nats: maximum payload exceeded.
#
# For a user: lower max_payload by restarting servers (clients then learn it when they reconnect), and watch for ClosedHandler.
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
)

const file = "server.conf"

func main() {
	limit("")
	opts := must(server.ProcessConfigFile(file))
	opts.NoLog, opts.NoSigs = true, true
	s := must(server.NewServer(opts))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	connect := func() *nats.Conn {
		return must(nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})))
	}
	old := connect()
	limit("max_payload: 1000\n")
	if err := s.Reload(); err != nil {
		panic(err)
	}
	if err := old.Flush(); err != nil {
		panic(err)
	}
	time.Sleep(500 * time.Millisecond)
	seen("limit that the open connection knows", old.MaxPayload(), 1048576)
	seen("its Publish of 5000 bytes", old.Publish("a", make([]byte, 5000)), nil)
	time.Sleep(2 * time.Second)
	seen("its status then", old.Status(), nats.CLOSED)

	fresh := connect()
	seen("limit that a new connection knows", fresh.MaxPayload(), 1000)
	seen("its Publish of 5000 bytes", fresh.Publish("a", make([]byte, 5000)), nats.ErrMaxPayload)
	seen("its status then", fresh.Status(), nats.CONNECTED)
}

func limit(line string) {
	if err := os.WriteFile(file, []byte("listen: \"127.0.0.1:-1\"\n"+line), 0o600); err != nil {
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
