#!/usr/bin/env bash
# One member more or less moves twice as many partitions as needed (orbit.go pcgroups 0.2.2)
#
# Expected: when a fourth member joins three on 12 partitions, 3 partitions move, to it. The function that assigns them says in
# a comment that it tries to have as few as possible change hands.
#
# Happens: 6 of 12 move. GeneratePartitionFilters gives the sorted members consecutive blocks, so all borders shift. With 64
# partitions and 8 to 9 members 36 move, where 7 would do. A group of ordered handlers pauses for each of them.
#
# Versions: orbit.go pcgroups 0.2.2. Date: 2026-11-29.
# Output seen: 12 partitions, 3 to 4 members: 6 moved of 3 needed; 64 partitions, 8 to 9 members: 36 moved of 7 needed.
#
# For a user: use member mappings, made by a rendezvous or sticky assignment of one's own, if moves are expensive.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/synadia-io/orbit.go/pcgroups v0.2.2
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"

	"github.com/synadia-io/orbit.go/pcgroups"
)

func main() {
	seen("12 partitions, 3 to 4 members, moved", moved(12, 3), 6)
	seen("64 partitions, 8 to 9 members, moved", moved(64, 8), 36)
	seen("16 partitions, 16 to 15 members, moved", moved(16, 15), 1)
}

// moved counts the partitions that change hands when one member is added to n.
func moved(partitions uint, n int) int {
	before, after := owners(partitions, n), owners(partitions, n+1)
	count := 0
	for p, m := range before {
		if after[p] != m {
			count++
		}
	}
	return count
}

func owners(partitions uint, n int) map[string]string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf("m%02d", i))
	}
	owner := map[string]string{}
	for _, m := range members {
		for _, f := range pcgroups.GeneratePartitionFilters(members, partitions, nil, m, ">") {
			owner[f] = m
		}
	}
	return owner
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
