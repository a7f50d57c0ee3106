package phub_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// wantDenied expects an error that says which subject was refused, soon.
func wantDenied(t *testing.T, began time.Time, err error, subject string) {
	t.Helper()
	denied, ok := errors.AsType[*phub.DeniedError](err)
	if !ok || denied.Subject != subject || denied.Inbox || !errors.Is(err, phub.ErrDenied) || !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("got %v, want that %s is denied", err, subject)
	}
	if errors.Is(err, phub.ErrNoAnswer) {
		t.Errorf("%v: it is known that nothing was done", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("%v came after %v", err, took)
	}
}

// silent is NATS's own error handler, without its lines on stderr.
var silent = nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})

func TestClient_SaysWhatItsUserMayNot(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) {
		g := newGuarded(t, u)
		clientOf := func(user string) (*phub.Client, *nats.Conn) {
			nc := natstest.Connect(t, g.url, append(u.Login(user), silent)...)
			c, err := phub.NewClient(nc, "h")
			if err != nil {
				t.Fatal(err)
			}
			return c, nc
		}
		ctx := g.ctx(time.Minute)

		asks, nc := clientOf("asks")
		began := time.Now()
		_, err := asks.Status(ctx)
		wantDenied(t, began, err, "phub.h.ctl.status")
		began = time.Now()
		_, err = asks.Start(ctx, []phub.Spec{pair("c")}, nil)
		wantDenied(t, began, err, "phub.h.ctl.start")
		began = time.Now()
		_, err = phub.Hubs(ctx, nc, "")
		wantDenied(t, began, err, "$JS.API.STREAM.NAMES")
		began = time.Now()
		_, err = asks.Watch(ctx)
		wantDenied(t, began, err, "phub.h.int.kv.placement.>")

		operates, _ := clientOf("operates")
		for _, opt := range [][]phub.RequestOption{nil, {phub.Idempotent()}} {
			began = time.Now()
			_, err = operates.Request(ctx, "c", nil, opt...)
			wantDenied(t, began, err, "phub.h.req.c")
		}

		watches, _ := clientOf("watches")
		began = time.Now()
		_, err = watches.Status(ctx)
		wantDenied(t, began, err, "phub.h.ctl.status")

		other, err := phub.NewClient(nc, "i")
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		_, err = other.Request(ctx, "c", nil)
		wantDenied(t, began, err, "phub.i.req.c")
	})
}

// TestClient_SaysThatItCannotHear has a user connect without the inbox prefix that its permissions are for.
func TestClient_SaysThatItCannotHear(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) {
		g := newGuarded(t, u)
		g.joinAs("node", "node1")
		g.start(phub.Spec{Child: "c", Kind: "who"})
		nc := natstest.Connect(t, g.url, append(u.Login("all")[:1:1], silent)...)
		c, err := phub.NewClient(nc, "h")
		if err != nil {
			t.Fatal(err)
		}
		cannotHear := func(err error) {
			t.Helper()
			denied, ok := errors.AsType[*phub.DeniedError](err)
			if !ok || !denied.Inbox || !errors.Is(err, phub.ErrNoAnswer) {
				t.Errorf("got %v, want that the inbox is denied", err)
			}
		}
		began := time.Now()
		for range 3 { // the server says it once
			_, err = c.Request(g.ctx(time.Minute), "c", nil)
			cannotHear(err)
			_, err = c.Status(g.ctx(time.Minute))
			cannotHear(err)
		}
		_ = nc.Publish("anything.else", nil) // another refusal covers the first
		_, err = c.Request(g.ctx(time.Minute), "c", nil)
		cannotHear(err)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v to say so", took)
		}
	})
}

// TestClient_SilenceIsNoDenial asks a hub that gets the request and says nothing, on a connection that was refused
// something before.
func TestClient_SilenceIsNoDenial(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) {
		g := newGuarded(t, u)
		deaf := natstest.Connect(t, g.url, u.Login(natstest.Anybody)...)
		for _, subject := range []string{"phub.h.req.c", "phub.h.ctl.status"} {
			if _, err := deaf.Subscribe(subject, func(*nats.Msg) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := deaf.Flush(); err != nil {
			t.Fatal(err)
		}
		nc := natstest.Connect(t, g.url, append(u.Login("all"), silent)...)
		c, err := phub.NewClient(nc, "h")
		if err != nil {
			t.Fatal(err)
		}
		if !denied(t, nc, func() error { return nc.Publish("phub.h.mode.c", nil) }) {
			t.Error("nothing was refused")
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Request(g.ctx(time.Second), "c", nil); !errors.Is(err, phub.ErrNoAnswer) || errors.Is(err, phub.ErrDenied) {
				t.Errorf("got %v, want ErrNoAnswer alone", err)
			}
		})
		wg.Go(func() {
			if _, err := c.Status(g.ctx(time.Second)); !errors.Is(err, phub.ErrNoCoordinator) || errors.Is(err, phub.ErrDenied) {
				t.Errorf("got %v, want ErrNoCoordinator alone", err)
			}
		})
		wg.Wait()
	})
}
