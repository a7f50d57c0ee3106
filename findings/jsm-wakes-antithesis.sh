#!/usr/bin/env bash
# Adding jsm.go to a program that embeds a NATS server switches the Antithesis SDK on in that server (jsm.go 0.5.1, nats-server 2.15.2)
#
# Expected: requiring another library of the NATS team, in the version that itself requires this server version, leaves the server as it is.
# nats-server takes care to link a build of antithesis-sdk-go that does nothing.
#
# Happens: nats-server 2.15.2 requires antithesis-sdk-go v0.8.0-default-no-op, jsm.go 0.5.1 requires v0.8.0 (indirectly). To Go the
# first is a pre-release of the second, so minimal version selection takes v0.8.0, in which the assertions are compiled in unless one
# builds with -tags no_antithesis_sdk. The server's version says nothing of it; its Raft, stream and store code now goes through the SDK,
# which looks for a library of its own at start and obeys ANTITHESIS_SDK_LOCAL_OUTPUT. The nats CLI 0.5.1 is built that way.
# nats-server 2.15.3 requires v0.9.0-default-no-op, which wins again, until jsm.go follows.
#
# Versions: jsm.go 0.5.1, nats-server 2.15.2, antithesis-sdk-go 0.8.0. Date: 2026-11-29.
# Output seen: without jsm.go v0.8.0-default-no-op and no file, with it v0.8.0 and a file that the SDK wrote.
#
# For a user: look at `go version -m` of what embeds a server, and build with -tags no_antithesis_sdk.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/nats-io/nats-server/v2 v2.15.2
EOF
cat >main.go <<'EOF'
package main

import (
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	dir, err := os.MkdirTemp(".", "store")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	s.Shutdown()
}
EOF

# run NAME [FLAG...] starts the server once and says whether the SDK wrote its file.
run() {
	local file="$dir/$1.json"
	shift
	ANTITHESIS_SDK_LOCAL_OUTPUT=$file timeout -k 5 300 go run "$@" .
	if [ -s "$file" ]; then echo "SDK on"; else echo "SDK off"; fi
}

# seen WHAT GOT WANT
seen() {
	echo "$1: $2"
	if [ "$2" != "$3" ]; then
		echo "changed: it was $3"
		exit 1
	fi
}

version() { go list -m -f '{{.Version}}' github.com/antithesishq/antithesis-sdk-go; }

seen "version without jsm.go" "$(version)" v0.8.0-default-no-op
seen "server without jsm.go" "$(run without)" "SDK off"
go mod edit -require github.com/nats-io/jsm.go@v0.5.1
printf 'package main\n\nimport _ "github.com/nats-io/jsm.go"\n' >jsm.go
seen "server with jsm.go" "$(run with)" "SDK on"
seen "version with jsm.go" "$(version)" v0.8.0
seen "server with jsm.go and the build tag" "$(run tag -tags no_antithesis_sdk)" "SDK off"
echo "unchanged"
