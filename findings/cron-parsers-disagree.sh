#!/usr/bin/env bash
# Three cron libraries give one line three different times (robfig/cron 3.0.1, netresearch/go-cron 0.9.1, gronx 1.20.4)
#
# Expected: five-field lines of crontab(5) mean the same to each of Go's cron parsers, and to the schedules of nats-server, whose parser is
# taken from robfig/cron; go-cron calls itself a maintained fork of it. So a schedule may be checked with one and run by another.
#
# Happens:
# - "0 0 13 * 5", the 13th or a Friday by crontab(5): go-cron waits for a Friday that is the 13th (its README says so; the others do not).
# - "0 0 */2 * 1": robfig counts the star with a step as a restriction and runs on odd days or Mondays, the others on odd Mondays.
# - "30 2 * * *" on the day when New York's 02:30 does not exist: go-cron runs at 03:30, the others not at all.
# - "30 1 * * *" on the day when 01:30 comes twice: robfig and go-cron run twice, gronx once.
#
# Versions: as above. Date: 2026-11-29.
# Output seen: "0 0 13 * 5" after 2027-01-01: robfig and gronx 2027-01-08, go-cron 2027-08-13.
#
# For a user: whatever shows or checks a schedule must use the parser that runs it. nats-server answers like robfig in these four.
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
	github.com/robfig/cron/v3 v3.0.1
	github.com/netresearch/go-cron v0.9.1
	github.com/adhocore/gronx v1.20.4
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

	"github.com/adhocore/gronx"
	_ "github.com/nats-io/nats-server/v2/server"
	fork "github.com/netresearch/go-cron"
	"github.com/robfig/cron/v3"
)

//go:linkname parseMsgSchedule github.com/nats-io/nats-server/v2/server.parseMsgSchedule
func parseMsgSchedule(pattern string, loc *time.Location, ts int64) (time.Time, bool, bool)

func main() {
	ny := must(time.LoadLocation("America/New_York"))
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, ny)
	for _, c := range []struct {
		line, want string
		from       time.Time
	}{
		{"0 0 13 * 5", "robfig 01-08 00:00, go-cron 08-13 00:00, gronx 01-08 00:00, NATS 01-08 00:00", newYear},
		{"0 0 */2 * 1", "robfig 01-03 00:00, go-cron 01-11 00:00, gronx 01-11 00:00, NATS 01-03 00:00", newYear},
		{"30 2 * * *", "robfig 03-15 02:30, go-cron 03-14 03:30, gronx 03-15 02:30, NATS 03-15 02:30", time.Date(2027, 3, 13, 12, 0, 0, 0, ny)},
		{"30 1 * * *", "robfig 11-07 01:30, go-cron 11-07 01:30, gronx 11-08 01:30, NATS 11-07 01:30", time.Date(2027, 11, 7, 1, 30, 0, 0, ny)},
	} {
		show := func(t time.Time) string { return t.In(ny).Format("01-02 15:04") }
		nats, _, ok := parseMsgSchedule("0 "+c.line, ny, c.from.UnixNano())
		if !ok {
			panic("refused: " + c.line)
		}
		seen(c.line, fmt.Sprintf("robfig %s, go-cron %s, gronx %s, NATS %s", show(must(cron.ParseStandard(c.line)).Next(c.from)),
			show(must(fork.ParseStandard(c.line)).Next(c.from)), show(must(gronx.NextTickAfter(c.line, c.from, false))), show(nats)), c.want)
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
