#!/usr/bin/env bash
# A duration flag takes what it understands of a value and leaves out the rest (fisk 0.9.1)
#
# Expected: a flag of type duration refuses a value that it can't read whole, as time.ParseDuration and kingpin, from which fisk descends, do;
# and a fraction of a day is that fraction, as of an hour.
#
# Happens: ParseDuration collects every number with letters behind it, wherever it stands, and ignores what is between: "1h30" is one hour,
# "5s oops" and "x5s" five seconds, "5s-3s" eight. Days, weeks, months and years are multiplied and then cut to whole hours: "0.1d" is
# two hours, "0.04d" nothing. "1M" is a month of 30 days, "1m" a minute. "10µs", which its code has a case for, is refused, because only ASCII
# letters are looked for. natscli and other tools of that family parse all their durations so.
#
# Versions: fisk 0.9.1. Date: 2026-11-29.
# Output seen: 1h30 = 1h0m0s, 5s-3s = 8s, 0.1d = 2h0m0s, 0.04d = 0s.
#
# For a user: check the text of a duration before the parser sees it; a timeout of 0 may mean "none" or "at once".
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/choria-io/fisk v0.9.1
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/choria-io/fisk"
)

func main() {
	var timeout time.Duration
	app := fisk.New("tool", "")
	app.Flag("timeout", "").DurationVar(&timeout)
	for text, want := range map[string]string{
		"1h30": "1h0m0s", "5s oops": "5s", "x5s": "5s", "5s-3s": "8s", "0.1d": "2h0m0s", "0.04d": "0s", "1.5h": "1h30m0s", "1M": "720h0m0s",
	} {
		timeout = -1
		if _, err := app.Parse([]string{"--timeout", text}); err != nil {
			seen("--timeout "+text, err, want)
		}
		seen("--timeout "+text, timeout, want)
	}
	_, err := app.Parse([]string{"--timeout", "10µs"})
	seen("--timeout 10µs is refused", err != nil, true)
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
