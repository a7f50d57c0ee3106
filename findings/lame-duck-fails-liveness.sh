#!/usr/bin/env bash
# A server in lame duck mode fails its liveness check while it still serves its clients (nats-server 2.15.3)
#
# Expected: lame duck mode makes the readiness check fail, so that nothing new comes, and leaves liveness alone: clients are moved off over
# minutes (lame_duck_duration, 2 by default). /healthz?js-enabled-only=true, the mild form that asks only whether JetStream is enabled
# and that the vendor's Helm chart has for liveness, answers ok, or 503 "unavailable", as /healthz does for a stream that is not there or is behind.
#
# Happens: every form of /healthz answers 500 "error" at once, because each first asks whether the server is ready for connections (healthz in
# server/monitor.go), and its listener is closed. Open connections work all the while, requests are answered. A kubelet or supervisor that
# restarts on a failed liveness check, say three times ten seconds, ends the drain with most clients still connected.
#
# Versions: nats-server 2.15.3. Date: 2026-11-29.
# Output seen: before: 200 200 200; in lame duck: 500 500 500, status error; a request over an open connection: <nil>.
#
# For a user: liveness by /varz or a TCP check of the monitoring port, /healthz for readiness only; or a failure threshold longer than
# the lame duck duration.
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
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func main() {
	s := must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, HTTPHost: "127.0.0.1", HTTPPort: -1, JetStream: true, StoreDir: must(os.MkdirTemp(".", "store")),
		LameDuckDuration: time.Minute, LameDuckGracePeriod: 10 * time.Second, NoLog: true, NoSigs: true,
	}))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	told := make(chan struct{})
	nc := must(nats.Connect(s.ClientURL(), nats.LameDuckModeHandler(func(*nats.Conn) { close(told) })))
	must(nc.Subscribe("ask", func(m *nats.Msg) { _ = m.Respond(nil) }))

	health := func() (codes []int, status string) {
		for _, form := range []string{"", "?js-enabled-only=true", "?js-server-only=true"} {
			r := must(http.Get("http://" + s.MonitorAddr().String() + "/healthz" + form))
			var body struct{ Status string }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				panic(err)
			}
			_ = r.Body.Close()
			codes, status = append(codes, r.StatusCode), body.Status
		}
		return codes, status
	}
	codes, status := health()
	seen("healthz, js-enabled-only, js-server-only", fmt.Sprint(codes, " ", status), "[200 200 200] ok")
	go s.LameDuckShutdown()
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		panic("no lame duck mode")
	}
	codes, status = health()
	seen("the same in lame duck mode", fmt.Sprint(codes, " ", status), "[500 500 500] error")
	_, err := nc.Request("ask", nil, 5*time.Second)
	seen("a request over an open connection", err, nil)
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
