package phub_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// publish sends messages as a hub does: subject, data, and perhaps a header.
func publish(t *testing.T, nc *nats.Conn, subject, data string, header ...string) {
	t.Helper()
	msg := &nats.Msg{Subject: subject, Data: []byte(data), Header: nats.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		msg.Header.Set(header[i], header[i+1])
	}
	if err := nc.PublishMsg(msg); err != nil {
		t.Fatal(err)
	}
}

func TestWatch_SeesModesEventsViewsAndPlacements(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	changes, err := client.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kv := func(key string) string { return hub.subjects.Stored(protocol.PlacementBucket, key) }
	publish(t, hub.nc, kv("a.b"), `{"v":1,"replicas":[{"node":"n1","mode":"active"}],"epoch":3}`, "Nats-Sequence", "17")
	publish(t, hub.nc, kv("_config"), `{"v":1}`)
	publish(t, hub.nc, kv("_view"), `{"v":1,"view":3}`)
	publish(t, hub.nc, hub.subjects.Mode("a.b"), `{"child":"a.b","node":"n1","mode":"active","epoch":3}`)
	publish(t, hub.nc, hub.subjects.Mode("a.b"), `{`)
	publish(t, hub.nc, hub.subjects.Event(protocol.NodeLost, "n2"), `{"type":"node_lost","node":"n2"}`)
	publish(t, hub.nc, kv("a.b"), "", "KV-Operation", "DEL")

	var got []string
	for change, err := range changes {
		got = append(got, describe(&change, err))
		if len(got) == 6 {
			break
		}
	}
	want := []string{"placement a.b 17 n1", "view 3", "mode a.b n1", "error", "event node_lost n2", "placement a.b gone"}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func describe(c *phub.Change, err error) string {
	switch {
	case err != nil:
		return "error"
	case c.View != nil:
		return "view " + string(rune('0'+c.View.Number))
	case c.Mode != nil:
		return "mode " + c.Mode.Child + " " + c.Mode.Node
	case c.Event != nil:
		return "event " + string(c.Event.Type) + " " + c.Event.Node
	case c.Placement.Entry == nil:
		return "placement " + c.Placement.Child + " gone"
	case c.Placement.Revision == 17:
		return "placement " + c.Placement.Child + " 17 " + c.Placement.Entry.Replicas[0].Node
	}
	return "placement without revision"
}

func TestWatch_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, client := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := client.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for _, err := range changes {
		t.Errorf("a change came out of a watch that has ended (error %v)", err)
	}
}

// A watch does not hide that it was blind while its connection was interrupted.
func TestWatch_TellsOfAnInterruptedConnection(t *testing.T) {
	t.Parallel()
	s := natstest.Single(t)
	nc := natstest.Connect(t, s.URL(), nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1))
	client, err := phub.NewClient(nc, "h")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	changes, err := client.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	gap := false
	for _, err := range changes {
		if errors.Is(err, phub.ErrDropped) {
			gap = true
			break
		}
	}
	if !gap {
		t.Error("the watch ended without a word on the gap")
	}
}
