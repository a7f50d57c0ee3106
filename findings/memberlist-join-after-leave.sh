#!/usr/bin/env bash
# A member that has left can join again, says Join, and nobody sees it (memberlist 0.7.0)
#
# Expected: Leave announces that a node goes, and the Memberlist stays usable: its comment says that the node goes on to take part in gossip and
# state updates, and forbids only a call after Shutdown. A Join then is an error, or brings the node back.
#
# Happens: Join returns 1 and no error, and has really exchanged states with the seed, but no other member lists the node, then or later: once
# left, a node no longer announces itself (aliveNode in state.go drops messages about itself after Leave), and to the others its old state
# "left" stands. Only a new Memberlist (Create) under the same name comes back. An empty list of seeds is in
# the same way no error: Join(nil) returns 0, nil, so a discovery that finds nobody makes a cluster of one silently.
#
# Versions: memberlist 0.7.0. Date: 2026-11-29.
# Output seen: members of the other before, after Leave, after Join: 2 1 1; Join: 1 <nil>.
#
# For a user: a drain that is cancelled needs a new Memberlist; check that Join returned at least one, and that somebody else lists you.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/hashicorp/memberlist v0.7.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/memberlist"
)

func main() {
	a, b := create("a"), create("b")
	seed := []string{fmt.Sprintf("127.0.0.1:%d", a.LocalNode().Port)}
	n, err := b.Join(nil)
	seen("Join of nobody", fmt.Sprint(n, " ", err), "0 <nil>")
	must(b.Join(seed))
	settle()
	seen("members that a sees", a.NumMembers(), 2)
	if err := b.Leave(5 * time.Second); err != nil {
		panic(err)
	}
	settle()
	seen("after b's Leave", a.NumMembers(), 1)
	n, err = b.Join(seed)
	seen("b's Join", fmt.Sprint(n, " ", err), "1 <nil>")
	settle()
	time.Sleep(3 * time.Second)
	seen("members that a sees", a.NumMembers(), 1)

	if err := b.Shutdown(); err != nil {
		panic(err)
	}
	must(create("b").Join(seed))
	settle()
	seen("members that a sees after a new b has joined", a.NumMembers(), 2)
}

func settle() { time.Sleep(time.Second) }

func create(name string) *memberlist.Memberlist {
	c := memberlist.DefaultLocalConfig()
	c.Name, c.BindAddr, c.BindPort, c.AdvertisePort, c.LogOutput = name, "127.0.0.1", 0, 0, io.Discard
	return must(memberlist.Create(c))
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
