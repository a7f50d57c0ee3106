package porttest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func kickClosesTheConnection(t *testing.T, s *setup) {
	a, _ := s.open("a")
	b, _ := s.open("b")
	other := s.sys.Open(t, s.hub+"2", "b")
	for node, c := range map[string]protocol.Conn{"a": b.Conn(), "b": a.Conn(), "": b.Conn()} {
		if err := a.Kick(s.ctx, node, c); !errors.Is(err, coordinator.ErrConflict) {
			t.Errorf("kick the connection of another node than %q: %v, want ErrConflict", node, err)
		}
	}
	if err := a.Kick(s.ctx, "b", other.Conn()); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("kick a node of another hub: %v, want ErrConflict", err)
	}
	for _, p := range []Peer{a, b, other} {
		if e, err := a.Connected(s.ctx, p.Conn()); e != view.Open || err != nil {
			t.Errorf("found connection %v %v (%v), expected it to be open", p.Conn(), e, err)
		}
	}
	s.must(a.Kick(s.ctx, "b", b.Conn()))
	s.eventually("the node learns of it", func() bool {
		select {
		case <-b.Done():
			return true
		default:
			return false
		}
	})
	s.eventually("the connection is closed", func() bool {
		e, err := a.Connected(s.ctx, b.Conn())
		s.must(err)
		return e == view.Closed
	})
	if err := a.Kick(s.ctx, "b", b.Conn()); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("kick a closed connection: %v, want ErrConflict", err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	defer cancel()
	for _, c := range []protocol.Conn{{Server: "elsewhere", Client: a.Conn().Client}, {Server: ">", Client: 1}, {}} {
		if err := a.Kick(ctx, "a", c); err == nil {
			t.Errorf("kick %v, of a server that is not there: no error", c)
		}
	}
}

func closingsAreReported(t *testing.T, s *setup) {
	a, heard := s.open("a")
	b, _ := s.open("b")
	other := s.sys.Open(t, s.hub+"2", "b")
	conn := b.Conn()
	s.sys.Crash(t, other)
	s.sys.Crash(t, b)
	s.eventually("the closed connection is reported", func() bool { return slices.Contains(heard.heardClosed(), conn) })
	if e, err := a.Connected(s.ctx, conn); e != view.Closed || err != nil {
		t.Errorf("found a connection that is reported closed %v (%v), expected it to be closed", e, err)
	}
	for _, c := range heard.heardClosed() {
		if c != conn {
			t.Errorf("found a report on %v, expected none but on the hub's own %v", c, conn)
		}
	}
}
