#!/usr/bin/env bash
# A call that never returned makes a correct history wrong (porcupine 1.3.1)
#
# Expected: CheckEvents treats a call without a return as pending: it may have taken effect or not, as in the definition of linearizability and
# in other checkers. Histories with crashed clients are what such checkers are for, and events (rather than operations) are the
# form that can express them. Otherwise an error, as nothing in the documentation forbids it.
#
# Happens: the result is Illegal, for histories that are linearizable. Without its return the call is taken for a return event (makeLinkedEntries
# and checkSingle in checker.go: an entry without a match), so the search ends there. The pending call need not matter: a history with
# nothing but that one call is Illegal too. An operation whose Return lies before its Call is taken in the same silence.
#
# Versions: porcupine 1.3.1. Date: 2026-11-29.
# Output seen: history with a pending write: Illegal; the same with a return at its end: Ok; a single pending call: Illegal.
#
# For a user: a test that records only what it was told reports violations that are none. Give each pending call a return after all others,
# with an output that the model accepts whatever the state; and check Return >= Call yourself.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"

	"github.com/anishathalye/porcupine"
)

const read = -1 // an input; others are values to write

var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if input == read {
			return output == state, state
		}
		return true, input
	},
}

func main() {
	history := []porcupine.Event{ // a write of 1 that its client never hears of, and a read that sees it
		{Kind: porcupine.CallEvent, Id: 0, Value: 1},
		{Kind: porcupine.CallEvent, Id: 1, ClientId: 1, Value: read},
		{Kind: porcupine.ReturnEvent, Id: 1, ClientId: 1, Value: 1},
	}
	check := func(h []porcupine.Event) porcupine.CheckResult {
		result, _ := porcupine.CheckEventsVerbose(register, h, 0)
		return result
	}
	seen("with a pending write", check(history), porcupine.Illegal)
	seen("with a return at the end", check(append(history, porcupine.Event{Kind: porcupine.ReturnEvent, Id: 0, Value: 0})), porcupine.Ok)
	seen("a single pending call", check(history[:1]), porcupine.Illegal)
	seen("a return before its call", porcupine.CheckOperations(register, []porcupine.Operation{{Input: 1, Call: 20, Return: 10}}), false)
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
