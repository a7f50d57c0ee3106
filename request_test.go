package phub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func TestRequest_ReplyNamesNodeAndEpoch(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Request("orders.eu.7"), func(_ int, msg *nats.Msg) {
		hub.reply(msg, "node2", 42, "got "+string(msg.Data)+" "+msg.Header.Get("Trace"))
	})
	r, err := client.Request(t.Context(), "orders.eu.7", []byte("hello"), phub.WithHeader(nats.Header{"Trace": {"t1"}}))
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Data) != "got hello t1" || r.Node != "node2" || r.Epoch != 42 || r.Retries != 0 {
		t.Errorf("got %+v, data %q", r, r.Data)
	}
}

func TestRequest_RetriesWhileTheDoorIsClosed(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Request("c"), func(n int, msg *nats.Msg) {
		if n < 3 {
			hub.refuse(msg)
			return
		}
		hub.reply(msg, "node1", 1, "ok")
	})
	r, err := client.Request(t.Context(), "c", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Retries != 3 {
		t.Errorf("got %d retries, want 3", r.Retries)
	}
}

func TestRequest_RetriesWhileNobodyListens(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	asked := hub.serve(hub.subjects.Control(protocol.VerbInfo), func(n int, msg *nats.Msg) {
		hub.respond(msg, phub.ChildInfo{Child: "c"})
		if n == 0 { // the client is known to have found nobody: now there is somebody
			hub.serve(hub.subjects.Request("c"), func(_ int, msg *nats.Msg) { hub.reply(msg, "node1", 1, "ok") })
		}
	})
	r, err := client.Request(t.Context(), "c", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Retries == 0 || asked.count() != 1 {
		t.Errorf("got %d retries and %d look-ups, want some and one", r.Retries, asked.count())
	}
}

func TestRequest_ChildThatDoesNotExist(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Control(protocol.VerbInfo), func(_ int, msg *nats.Msg) {
		hub.respondError(msg, protocol.CodeNotFound, "no child c")
	})
	began := time.Now()
	_, err := client.Request(within(t, 10*time.Second), "c", nil)
	if !errors.Is(err, phub.ErrNoChild) {
		t.Fatalf("got %v, want ErrNoChild", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v; the deadline should not be waited for", took)
	}
}

func TestRequest_DeadlineWithoutAnActiveReplica(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(hub *fakeHub){
		"nobody listens": func(*fakeHub) {},
		"not active": func(hub *fakeHub) {
			hub.serve(hub.subjects.Request("c"), func(_ int, msg *nats.Msg) {
				hub.refuse(msg)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub, client := setup(t)
			serve(hub)
			_, err := client.Request(within(t, 300*time.Millisecond), "c", nil)
			for n := 0; errors.Is(err, phub.ErrNoAnswer) && n < 20; n++ { // the deadline came in the middle of a try
				_, err = client.Request(within(t, 300*time.Millisecond), "c", nil)
			}
			var failed *phub.RequestError
			if !errors.Is(err, phub.ErrNoActive) || !errors.As(err, &failed) || failed.Retries == 0 {
				t.Errorf("got %v, want ErrNoActive after retries", err)
			}
		})
	}
}

func TestRequest_WithoutAnAnswerIsNotSentTwice(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	got := hub.serve(hub.subjects.Request("c"), func(int, *nats.Msg) {})
	_, err := client.Request(within(t, 300*time.Millisecond), "c", nil)
	if !errors.Is(err, phub.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrNoAnswer and the deadline", err)
	}
	if got.count() != 1 {
		t.Errorf("the request was delivered %d times, want once", got.count())
	}
}

func TestRequest_IdempotentIsSentAgain(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Request("c"), func(n int, msg *nats.Msg) {
		switch n {
		case 0: // no answer
		case 1:
			hub.respondFailure(msg, protocol.CodeCancelled, "cut short", nats.Header{
				protocol.HeaderEpoch: {"41"}, protocol.HeaderCause: {protocol.CauseCancelled},
			})
		default:
			hub.reply(msg, "node1", 1, "ok")
		}
	})
	r, err := client.Request(within(t, 10*time.Second), "c", nil, phub.Idempotent(), phub.PerTry(250*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if r.Retries < 2 { // more if an answer took longer than a try may
		t.Errorf("got %d retries, want 2", r.Retries)
	}
}

func TestRequest_HandlerErrors(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	for _, code := range []int{protocol.CodeHandler, protocol.CodePanic, protocol.CodeTooLarge, protocol.CodeNotActive, protocol.CodeCancelled, 422} {
		child := fmt.Sprintf("c%d", code)
		got := hub.serve(hub.subjects.Request(child), func(_ int, msg *nats.Msg) { hub.respondError(msg, code, "boom") })
		_, err := client.Request(within(t, 5*time.Second), child, nil, phub.Idempotent())
		var remote *phub.RemoteError
		if !errors.As(err, &remote) || !errors.Is(err, phub.ErrHandler) {
			t.Fatalf("code %d: got %v, want a RemoteError", code, err)
		}
		if remote.Code != code || remote.Message != "boom" || remote.Node != "node9" || remote.Epoch != 41 {
			t.Errorf("code %d: got %+v", code, remote)
		}
		if errors.Is(err, phub.ErrNoAnswer) {
			t.Errorf("code %d: a handler's own error was taken for a request that was cut short", code)
		}
		if got.count() != 1 {
			t.Errorf("code %d: sent %d times, want once", code, got.count())
		}
	}
}

func TestRequest_CutShortHasAnUnknownEffect(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	got := hub.serve(hub.subjects.Request("c"), func(_ int, msg *nats.Msg) {
		hub.respondFailure(msg, protocol.CodeCancelled, "cut short", nats.Header{
			protocol.HeaderEpoch: {"41"}, protocol.HeaderCause: {protocol.CauseCancelled},
		})
	})
	_, err := client.Request(within(t, 5*time.Second), "c", nil)
	var remote *phub.RemoteError
	if !errors.Is(err, phub.ErrNoAnswer) || !errors.As(err, &remote) || remote.Cause != protocol.CauseCancelled {
		t.Errorf("got %v, want ErrNoAnswer with the cause", err)
	}
	if got.count() != 1 {
		t.Errorf("sent %d times, want once", got.count())
	}
}

func TestRequest_BadName(t *testing.T) {
	t.Parallel()
	_, client := setup(t)
	_, err := client.Request(t.Context(), "a b", nil)
	var field *protocol.FieldError
	if !errors.As(err, &field) || field.Field != "child" {
		t.Errorf("got %v, want an error about the child's name", err)
	}
}
