package jetstream_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// reports is a handler that hears of nothing but closed connections.
type reports struct {
	deaf
	heard chan protocol.Conn
}

func (r reports) ConnReported(c protocol.Conn) { r.heard <- c }

// TestAccess_AsTheExampleConfiguresIt runs a server with the configuration file that docs/nats.md shows.
func TestAccess_AsTheExampleConfiguresIt(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		if err := o.ProcessConfigFile("../examples/nats/nats.conf"); err != nil {
			t.Error(err)
		}
	}})
	if o := srv.Running(); o == nil {
		t.Fatal("the server does not run")
	}
	kickAndHear(t, dial(srv.URL(), nats.UserInfo("app", "change me")))
	kickAndHear(t, dial(srv.URL()))
}

// kickAndHear has one node disconnect another, and expects that it is told of it.
func kickAndHear(t *testing.T, dial func(...nats.Option) (*nats.Conn, error)) {
	t.Helper()
	a := open(t, jetstream.Config{Hub: "h", Node: "a", Dial: dial})
	b := open(t, jetstream.Config{Hub: "h", Node: "b", Dial: dial})
	r := reports{heard: make(chan protocol.Conn, 16)}
	if err := a.Serve(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := a.Kick(t.Context(), "b", b.Conn()); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-r.heard:
		if c != b.Conn() {
			t.Errorf("connection %v is reported closed, expected %v", c, b.Conn())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the closed connection is not reported within 10s")
	}
	if e, err := a.Connected(t.Context(), b.Conn()); e != view.Closed || err != nil {
		t.Errorf("found the kicked connection %v (%v), expected it to be closed", e, err)
	}
	<-b.Done()
}

// TestAccess_WithoutAnyIsNoMoreThanAnAnswer tries servers without a system account for the hub.
func TestAccess_WithoutAnyIsNoMoreThanAnAnswer(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	a := open(t, jetstream.Config{Hub: "h", Node: "a", Dial: dial(srv.URL())})
	b := open(t, jetstream.Config{Hub: "h", Node: "b", Dial: dial(srv.URL())})
	if err := a.Kick(t.Context(), "b", b.Conn()); !errors.Is(err, coordinator.ErrNoResponders) {
		t.Errorf("kick without access: %v, want ErrNoResponders", err)
	}
	if e, err := a.Connected(t.Context(), b.Conn()); e != view.Open || err != nil {
		t.Errorf("found the connection %v (%v), expected it to be open", e, err)
	}
}

// TestAccess_DeniedToTheUserIsNoMoreThanALine tries a user without the right to hear reports.
func TestAccess_DeniedToTheUserIsNoMoreThanALine(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		o.Users = []*server.User{{Username: "n", Password: "n", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Deny: []string{"phub._sys.>"}},
			Publish:   &server.SubjectPermission{Deny: []string{"phub._sys.>"}},
		}}}
	}})
	a := open(t, jetstream.Config{Hub: "h", Node: "a", Dial: dial(srv.URL(), nats.UserInfo("n", "n"))})
	if err := a.Serve(t.Context(), deaf{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.Done():
		t.Error("the session ended because it may not hear reports")
	case <-time.After(100 * time.Millisecond):
	}
	if e, err := a.Connected(t.Context(), a.Conn()); e != view.Open || err != nil {
		t.Errorf("found the own connection %v (%v), expected it to be open", e, err)
	}
}
