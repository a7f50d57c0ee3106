#!/usr/bin/env bash
# The receive timeout of an actor fires once in its life (Proto.Actor for Go of 2024-08-22)
#
# Expected: SetReceiveTimeout sets the inactivity timeout of an actor; its comment says that each message resets the timer. Set once, at Started, it
# tells the actor whenever it has been idle for so long, as it does in Akka, its model. That is how entities are put to sleep.
#
# Happens: when the timer fires it cancels itself (receiveTimeoutHandler in actor/actor_context.go) and sets the timeout to 0; messages reset it
# only where it is above 0. An actor that is asked for the first time while it has reason to stay (a subscriber, a transaction, a client)
# is never asked again, however many messages come and cease. Entities that were busy at the wrong moment stay in memory for good, and a
# test with one idle actor passes.
#
# Versions: github.com/asynkron/protoactor-go v0.0.0-20240822202345-3c0e61ca19c9. Date: 2026-11-29.
# Output seen: timeouts in ten times the idle time: 1, then set to 0s; after a message and as long again: 1.
#
# For a user: set it again in the handler of each ReceiveTimeout after which the actor stays.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/asynkron/protoactor-go v0.0.0-20240822202345-3c0e61ca19c9
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

const idleAfter = 200 * time.Millisecond

// entity asks itself whether it may go when nothing has come for a while. It answers "not yet".
type entity struct {
	again    bool // Sets the timeout again whenever it has fired.
	timeouts atomic.Int32
	timeout  atomic.Int64
}

func (e *entity) Receive(c actor.Context) {
	switch c.Message().(type) {
	case *actor.Started:
		c.SetReceiveTimeout(idleAfter)
	case *actor.ReceiveTimeout:
		e.timeouts.Add(1)
		e.timeout.Store(int64(c.ReceiveTimeout()))
		if e.again {
			c.SetReceiveTimeout(idleAfter)
		}
	}
}

func main() {
	system := actor.NewActorSystemWithConfig(actor.Configure(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	})))
	once, again := &entity{}, &entity{again: true}
	pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return once }))
	system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return again }))
	time.Sleep(10 * idleAfter)
	seen("timeouts in ten times the idle time", once.timeouts.Load(), 1)
	seen("timeout that is set at the first of them", time.Duration(once.timeout.Load()), "0s")
	system.Root.Send(pid, "work")
	time.Sleep(10 * idleAfter)
	seen("timeouts after a message and as long again", once.timeouts.Load(), 1)
	seen("more than two where it is set again each time", again.timeouts.Load() > 2, true)
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
