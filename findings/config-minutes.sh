#!/usr/bin/env bash
# "ping_interval: 2m" in a server's configuration is 23 days (nats-server 2.15.3)
#
# Expected: durations may stand without quotes: "2s" and "1h" do what they say so, "0.5s" is a clear error. So 2m is two minutes.
#
# Happens: without quotes the configuration's scanner knows m and k (with M, K, G, T) as factors of numbers, before anybody knows that a duration is
# wanted. 2m is the number 2,000,000, and a number without unit is taken for seconds (parseDuration in server/opts.go): 555 h 33 min.
# `nats-server -t` says that it should be converted to a duration; a plain
# start says so in one line that names no value, and runs. The same in write_deadline and others. With pings so rare a server never gives up
# a client that has vanished.
#
# Versions: nats-server 2.15.3. Date: 2026-11-29.
# Output seen: 2s = 2s, 1h = 1h0m0s, 2m = 555h33m20s, "2m" = 2m0s.
#
# For a user: put durations in quotes, and look at what the server made of it (ping_interval in /varz, in nanoseconds).
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
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	for _, c := range []struct{ text, want string }{{"2s", "2s"}, {"1h", "1h0m0s"}, {`"2m"`, "2m0s"}, {"2m", "555h33m20s"}} {
		seen("ping_interval: "+c.text, read("ping_interval: "+c.text).PingInterval, c.want)
	}
	seen("write_deadline: 1m", read("write_deadline: 1m").WriteDeadline, "277h46m40s")
	s := must(server.NewServer(read("ping_interval: 2m\nlisten: \"127.0.0.1:-1\"")))
	seen("what the server runs with", must(s.Varz(nil)).PingInterval, "555h33m20s")
}

func read(text string) *server.Options {
	if err := os.WriteFile("server.conf", []byte(text+"\n"), 0o600); err != nil {
		panic(err)
	}
	return must(server.ProcessConfigFile("server.conf"))
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
