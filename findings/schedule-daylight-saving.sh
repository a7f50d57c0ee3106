#!/usr/bin/env bash
# A daily message schedule skips the day on which clocks go forward and runs twice when they go back (nats-server 2.15.3)
#
# Expected: "0 30 2 * * *" in America/New_York runs once a day, all year. ADR-51 refers to cron and
# crontab(5) for the format; cron(8) of the same cron says that a job whose time is skipped runs right after the change, and that one whose time
# occurs twice runs once.
#
# Happens: on 14 March 2027 the job at 02:30 does not run. On 7 November 2027 the job at 01:30 runs twice, an hour apart, as two stored
# messages with nothing in common by which a consumer could drop one (the fired message has no Nats-Msg-Id; a schedule's own is taken off).
# parseCron (server/cron.go) steps through absolute hours and compares the local one. In Lord Howe, where clocks change by half an hour,
# 02:15 is lost.
#
# Versions: nats-server 2.15.3. Date: 2026-11-29.
# Output seen: runs per day at 02:30 on 13, 14, 15 March: 1 0 1; at 01:30 on 6, 7, 8 November: 1 2 1.
#
# For a user: a job that must run once a day is scheduled in UTC or outside of 00:00 to 03:00 local time, or its handler is keyed by date.
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
touch none.s # lets the compiler accept a function without a body
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"
	"time"
	_ "unsafe"

	_ "github.com/nats-io/nats-server/v2/server"
)

//go:linkname parseMsgSchedule github.com/nats-io/nats-server/v2/server.parseMsgSchedule
func parseMsgSchedule(pattern string, loc *time.Location, ts int64) (time.Time, bool, bool)

func main() {
	seen("New York, 02:30 on 13, 14, 15 March", perDay("0 30 2 * * *", "America/New_York", 2027, 3, 13), "[1 0 1]")
	seen("New York, 01:30 on 6, 7, 8 November", perDay("0 30 1 * * *", "America/New_York", 2027, 11, 6), "[1 2 1]")
	seen("Lord Howe, 02:15 on 2, 3, 4 October", perDay("0 15 2 * * *", "Australia/Lord_Howe", 2027, 10, 2), "[1 0 1]")
	seen("UTC, 02:30 on 13, 14, 15 March", perDay("0 30 2 * * *", "UTC", 2027, 3, 13), "[1 1 1]")
}

// perDay counts the due times on three days in a row.
func perDay(pattern, zone string, year, month, day int) (runs [3]int) {
	loc := must(time.LoadLocation(zone))
	first := time.Date(year, time.Month(month), day, 0, 0, 0, 0, loc)
	t := first.Add(-time.Second)
	for {
		next, _, ok := parseMsgSchedule(pattern, loc, t.UnixNano())
		if !ok {
			panic("refused: " + pattern)
		}
		t = next
		i := t.In(loc).YearDay() - first.YearDay()
		if i >= len(runs) {
			return runs
		}
		runs[i]++
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
