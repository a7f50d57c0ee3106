#!/usr/bin/env bash
# A whole NATS server with JetStream runs in the virtual time of testing/synctest (nats-server 2.15.3, Go 1.26)
#
# Expected: a bubble of testing/synctest can't hold a server. Its documentation says that code in a bubble must not use the network, that time
# stands still while a goroutine waits for something outside, and a NATS server has listeners, file storage, and dozens of
# goroutines and timers of its own. So tests of expiry, pings and schedules on real NATS wait in real time, or move TTLs below a second.
#
# Happens: with DontListen and nats.InProcessServer everything in the server waits durably: the connection is a net.Pipe, files
# are read and written without waiting for others. An hour's TTL ends in well under a second of real time, to the millisecond of the server's own
# timers, with memory and file storage; idle connections are pinged; a daily schedule fires; Shutdown leaves the bubble clean. Time costs
# by its timers: a day about as much as some seconds of work, a season too much. Clusters can't: routes need sockets.
#
# Versions: nats-server 2.15.3, nats.go 1.55.0, Go 1.26.8. Date: 2026-11-29.
# Output seen: an entry with a TTL of one hour is there after 59 minutes and gone after 61; "0 0 9 * * *" fired once, at 09:00.
#
# For a user: embedders can test leases, TTLs and schedules against the real server, not against a double, without waiting.
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
cat >finding_test.go <<'EOF'
package finding

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// inBubble runs f with a server in virtual time, and says how long that took in real time.
func inBubble(t *testing.T, limit time.Duration, f func(*testing.T, jetstream.JetStream)) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		defer s.WaitForShutdown()
		defer s.Shutdown()
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("the server does not start")
		}
		nc, err := nats.Connect("", nats.InProcessServer(s))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		f(t, js)
	})
	took := time.Since(began)
	t.Logf("real time: %v", took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("took %v, at most %v was expected", took, limit)
	}
}

func TestExpiry(t *testing.T) {
	for name, storage := range map[string]jetstream.StorageType{"file": jetstream.FileStorage, "memory": jetstream.MemoryStorage} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 20*time.Second, func(t *testing.T, js jetstream.JetStream) {
				ctx := context.Background()
				kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "B", TTL: time.Hour, Storage: storage})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := kv.Put(ctx, "k", nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(59 * time.Minute)
				if _, err := kv.Get(ctx, "k"); err != nil {
					t.Errorf("after 59 minutes: %v", err)
				}
				time.Sleep(2 * time.Minute)
				if _, err := kv.Get(ctx, "k"); !errors.Is(err, jetstream.ErrKeyNotFound) {
					t.Errorf("after 61 minutes: %v", err)
				}
			})
		})
	}
}

func TestSchedule(t *testing.T) {
	inBubble(t, 50*time.Second, func(t *testing.T, js jetstream.JetStream) {
		ctx := context.Background() // the bubble begins at midnight
		s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowMsgSchedules: true})
		if err != nil {
			t.Fatal(err)
		}
		m := nats.NewMsg("s.daily")
		m.Header.Set("Nats-Schedule", "0 0 9 * * *")
		m.Header.Set("Nats-Schedule-Target", "s.due")
		if _, err := js.PublishMsg(ctx, m); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Hour)
		due, err := s.GetLastMsgForSubject(ctx, "s.due")
		if err != nil {
			t.Fatal(err)
		}
		if at := due.Time.UTC().Truncate(time.Minute).Format(time.TimeOnly); at != "09:00:00" || due.Sequence != 2 {
			t.Errorf("message %d at %v", due.Sequence, due.Time)
		}
	})
}
EOF
timeout -k 5 300 go test -v . || { echo "changed"; exit 1; }
echo "unchanged"
