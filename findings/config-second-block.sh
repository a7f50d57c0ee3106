#!/usr/bin/env bash
# A second accounts block in a server's configuration removes all accounts of the first, without a word (nats-server 2.15.3)
#
# Expected: blocks of one name add up, as in nginx or with HCL, or a repeated one is an error: an unknown field is one, and a user that is
# named twice in one block ("Duplicate user"). With include, parts of a configuration are meant to be kept in several files.
#
# Happens: every key, blocks included, simply replaces an earlier one of its name; nothing is merged, warned of or refused, by
# `nats-server -t` neither. Whoever appends a second accounts block, or includes two files that have one each, loses the first's accounts and users:
# their logins are refused, and their JetStream data is not served. The same inside a block (an account named twice), for jetstream, cluster, and
# authorization.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: accounts read: [SECOND]; login of the first's user: authorization violation.
#
# For a user: one accounts block that includes files inside it; compare the list of accounts (/accountz) after a change.
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
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func main() {
	files := map[string]string{
		"server.conf": "listen: \"127.0.0.1:-1\"\ninclude first.conf\ninclude second.conf\n",
		"first.conf":  "accounts { FIRST { users: [ { user: one, password: p } ] } }\n",
		"second.conf": "accounts { SECOND { users: [ { user: two, password: p } ] } }\n",
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			panic(err)
		}
	}
	opts := must(server.ProcessConfigFile("server.conf"))
	var accounts []string
	for _, a := range opts.Accounts {
		accounts = append(accounts, a.Name)
	}
	seen("accounts read", accounts, "[SECOND]")
	opts.NoLog, opts.NoSigs = true, true
	s := must(server.NewServer(opts))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	_, err := nats.Connect(s.ClientURL(), nats.UserInfo("one", "p"))
	seen("login of the first's user is refused", errors.Is(err, nats.ErrAuthorization), true)
	_, err = nats.Connect(s.ClientURL(), nats.UserInfo("two", "p"))
	seen("login of the second's user", err, nil)
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
