#!/usr/bin/env bash
# A message schedule in a time zone whose clocks change at midnight misses a whole month (nats-server 2.15.3)
#
# Expected: "@monthly" with `Nats-Schedule-Time-Zone: Africa/Cairo` publishes at 00:00 on the first of every month. The table of
# predefined schedules in ADR-51 says so, each of these midnights exists, and the parser is taken from robfig/cron, which does it right.
#
# Happens: it never publishes on 1 May. In the last week of April Cairo's clocks go from 00:00 to 01:00. The day loop of parseCron
# (server/cron.go) adds one day at a time with AddDate; from the missing midnight on its candidate stays at 01:00, so the due midnight is
# "already over" when the day matches, and the next month is taken. The repair after that loop that robfig/cron 3.0.1 has is missing.
# The run that is lost need not be on the day of the change: it may come weeks later. Weekly schedules lose a week. The same in Beirut,
# Havana and Santiago. nats-server issue 8543 describes only times on the day of the change itself; it is closed, the code is as before.
#
# Versions: nats-server 2.15.3 (2.15.2 alike), robfig/cron 3.0.1. Date: 2026-11-29.
# Output seen: NATS 2027-06-01T00:00:00+03:00 after 2027-04-01, robfig/cron 2027-05-01T00:00:00+03:00.
#
# For a user: give schedules of days, weeks and months a time that exists every day, or UTC, or compute the next time yourself.
# The script stores such a schedule in a real server (it is accepted), then asks the server's own function for the due times of 2027.
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
	github.com/robfig/cron/v3 v3.0.1
)
EOF
touch none.s # lets the compiler accept a function without a body
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	_ "unsafe"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/robfig/cron/v3"
)

//go:linkname parseMsgSchedule github.com/nats-io/nats-server/v2/server.parseMsgSchedule
func parseMsgSchedule(pattern string, loc *time.Location, ts int64) (time.Time, bool, bool)

func main() {
	accepted()
	months := map[string]time.Month{ // the month that is lost in 2027
		"Africa/Cairo": time.May, "Asia/Beirut": time.April, "America/Havana": time.April, "America/Santiago": time.October,
	}
	for zone, lost := range months {
		loc := must(time.LoadLocation(zone))
		seen("NATS @monthly, months without a run, "+zone, missing(loc, fromNATS("@monthly", loc)), lost)
		seen("robfig/cron @monthly, months without a run, "+zone, missing(loc, fromRobfig("0 0 1 * *", loc)), "")
	}
	cairo := must(time.LoadLocation("Africa/Cairo"))
	next, _, _ := parseMsgSchedule("@monthly", cairo, time.Date(2027, 4, 1, 0, 0, 0, 0, cairo).UnixNano())
	seen("NATS @monthly after 1 April", next.Format(time.RFC3339), "2027-06-01T00:00:00+03:00")
	next, _, _ = parseMsgSchedule("@weekly", cairo, time.Date(2027, 4, 25, 0, 0, 0, 0, cairo).UnixNano())
	seen("NATS @weekly after Sunday 25 April", next.Format(time.RFC3339), "2027-05-09T00:00:00+03:00")
}

func accepted() {
	_, js := started()
	ctx := context.Background()
	must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowMsgSchedules: true}))
	m := nats.NewMsg("s.schedule")
	m.Header.Set("Nats-Schedule", "@monthly")
	m.Header.Set("Nats-Schedule-Time-Zone", "Africa/Cairo")
	m.Header.Set("Nats-Schedule-Target", "s.target")
	must(js.PublishMsg(ctx, m))
}

func fromNATS(pattern string, loc *time.Location) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		next, _, ok := parseMsgSchedule(pattern, loc, t.UnixNano())
		if !ok {
			panic("refused: " + pattern)
		}
		return next
	}
}

func fromRobfig(pattern string, loc *time.Location) func(time.Time) time.Time {
	s := must(cron.ParseStandard("CRON_TZ=" + loc.String() + " " + pattern))
	return s.Next
}

// missing names the months of 2027 in which next has no due time.
func missing(loc *time.Location, next func(time.Time) time.Time) string {
	had := map[time.Month]bool{}
	for t := next(time.Date(2026, 12, 31, 12, 0, 0, 0, loc)); t.In(loc).Year() == 2027; t = next(t) {
		had[t.In(loc).Month()] = true
	}
	var out []string
	for m := time.January; m <= time.December; m++ {
		if !had[m] {
			out = append(out, m.String())
		}
	}
	return strings.Join(out, " ")
}

// started starts a NATS server with JetStream on a free port of the loopback interface and connects to it.
func started() (*nats.Conn, jetstream.JetStream) {
	s := must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: must(os.MkdirTemp(".", "store")), NoLog: true, NoSigs: true,
	}))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	nc := must(nats.Connect(s.ClientURL()))
	return nc, must(jetstream.New(nc))
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
