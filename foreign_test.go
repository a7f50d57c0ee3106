package phub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
)

// Somebody records all of a hub's subjects in a stream, which answers each request for itself. What it says is not taken
// for the hub's word, and the error names it.
func TestForeign_AStreamThatRecordsTheHub(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	js, err := natsjs.New(hub.nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "AUDIT", Subjects: []string{"phub.h.>"}, Storage: natsjs.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 10*time.Second)
	for what, ask := range map[string]func() error{
		"status":  func() error { _, err := client.Status(ctx); return err },
		"nodes":   func() error { _, err := client.Nodes(ctx); return err },
		"info":    func() error { _, err := client.Info(ctx, "c"); return err },
		"start":   func() error { _, err := client.Start(ctx, []phub.Spec{{Child: "c", Kind: "echo"}}, nil); return err },
		"move":    func() error { _, err := client.Move(ctx, "c", "n"); return err },
		"drain":   func() error { _, err := client.Drain(ctx, "n", nil); return err },
		"request": func() error { _, err := client.Request(ctx, "c", []byte("x")); return err },
	} {
		err := ask()
		if !errors.Is(err, phub.ErrForeign) || !strings.Contains(err.Error(), `stream "AUDIT"`) || !strings.Contains(err.Error(), "phub.h.>") {
			t.Errorf("%s: got %v, want ErrForeign with the stream's name and what to leave out", what, err)
		}
	}
}

func TestForeign_SomebodyElsesService(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Request("c"), func(_ int, msg *nats.Msg) { _ = msg.Respond([]byte("42")) })
	hub.serve(hub.subjects.Control("status"), func(_ int, msg *nats.Msg) { _ = msg.Respond([]byte("{}")) })
	if _, err := client.Request(within(t, 5*time.Second), "c", nil); !errors.Is(err, phub.ErrForeign) {
		t.Errorf("request: got %v, want ErrForeign", err)
	}
	if _, err := client.Status(within(t, 5*time.Second)); !errors.Is(err, phub.ErrForeign) {
		t.Errorf("status: got %v, want ErrForeign", err)
	}
}
