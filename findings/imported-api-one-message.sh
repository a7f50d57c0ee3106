#!/usr/bin/env bash
# Through an imported JetStream API a fetch gives one message of many, without an error (nats-server 2.15.3, nats.go 1.55.0)
#
# Expected: an account that exports the service "$JS.API.>" and another that imports it share the whole API: NewWithAPIPrefix is made for
# that, all requests are answered, streams are found, consumers made. What can't work would be refused or time out.
#
# Happens: a service's default response_type is singleton: the importer's reply subject is gone after the first answer. Fetch(5) gives one message
# and a nil error; the four others count as delivered, come again after AckWait, and use up MaxDeliver. A batch read (GetBatch) gives one of
# six and no error. Ack() returns nil and acknowledges nothing, because its subject is not part of "$JS.API"; only DoubleAck tells.
# So a test with one message passes.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0, orbit.go jetstreamext 0.3.2. Date: 2026-11-29.
# Output seen: Fetch(5): 1 <nil>; GetBatch: 1 <nil>; after Ack() of it all 5 unacknowledged.
#
# For a user: export "$JS.API.CONSUMER.MSG.NEXT.>" and "$JS.API.DIRECT.>" with response_type: stream, and "$JS.ACK.>" as well; or put
# whoever consumes into the account of the stream.
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
	github.com/synadia-io/orbit.go/jetstreamext v0.3.2
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const config = `listen: "127.0.0.1:-1"
jetstream { store_dir: store }
accounts {
  OWNER { jetstream: enabled, users: [ { user: owner, password: p } ], exports: [ { service: "$JS.API.>" } ] }
  OTHER { users: [ { user: other, password: p } ], imports: [ { service: { account: OWNER, subject: "$JS.API.>" }, to: "OWNER.>" } ] }
}
`

func main() {
	if err := os.WriteFile("server.conf", []byte(config), 0o600); err != nil {
		panic(err)
	}
	opts := must(server.ProcessConfigFile("server.conf"))
	opts.NoLog, opts.NoSigs = true, true
	s := must(server.NewServer(opts))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	ctx := context.Background()
	owner := must(jetstream.New(must(nats.Connect(s.ClientURL(), nats.UserInfo("owner", "p")))))
	other := must(jetstream.NewWithAPIPrefix(must(nats.Connect(s.ClientURL(), nats.UserInfo("other", "p"))), "OWNER"))

	must(owner.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, AllowDirect: true}))
	for range 6 {
		must(owner.Publish(ctx, "s", nil))
	}
	c := must(must(other.Stream(ctx, "S")).CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "d", AckPolicy: jetstream.AckExplicitPolicy}))
	batch := must(c.Fetch(5, jetstream.FetchMaxWait(time.Second)))
	n := 0
	for m := range batch.Messages() {
		n++
		seen("Ack", m.Ack(), nil)
	}
	seen("unacknowledged", must(c.Info(ctx)).NumAckPending, 5)
	m := must(c.Next())
	seen("DoubleAck", m.DoubleAck(ctx), nats.ErrNoResponders)
	seen("fetched of 5", fmt.Sprint(n, " ", batch.Error()), "1 <nil>")

	n = 0
	var failed error
	for _, err := range must(jetstreamext.GetBatch(ctx, other, "S", 5)) {
		if err != nil {
			failed = err
			break
		}
		n++
	}
	seen("read in a batch of 5", fmt.Sprint(n, " ", failed), "1 <nil>")
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
