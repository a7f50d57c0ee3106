package jetstream_test

import (
	"errors"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// A coordinator that hands its role on says so to the node that relays a request, and that node asks again until somebody does it. Who
// asked hears of nothing.
func TestControl_AsksAgainWhoHandsItsRoleOn(t *testing.T) {
	t.Parallel()
	_, nc := served(t, 200*time.Millisecond)
	var refusals, asked atomic.Int32
	_, err := nc.Subscribe("phub.h.int.coord.ctl.status", func(m *nats.Msg) {
		reply := nats.NewMsg(m.Reply)
		reply.Header.Set(protocol.HeaderNode, "other")
		if reply.Data = m.Data; asked.Add(1) <= refusals.Load() {
			reply.Header.Set(protocol.HeaderErrorCode, strconv.Itoa(protocol.CodeHubNotServed))
			reply.Header.Set(protocol.HeaderCause, protocol.CauseHandedOn)
		}
		if err := nc.PublishMsg(reply); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		refusals int32
		code     string
	}{{0, ""}, {2, ""}, {1_000_000, "507"}} {
		refusals.Store(c.refusals)
		asked.Store(0)
		m, err := nc.Request("phub.h.ctl.status", []byte("x"), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Header.Get(protocol.HeaderErrorCode); got != c.code || c.code == "" && asked.Load() != c.refusals+1 {
			t.Errorf("after %d refusals: got code %q after %d questions, want %q", c.refusals, got, asked.Load(), c.code)
		}
	}
}

// gated takes its time for the first request.
type gated struct {
	deaf
	entered, gate chan struct{}
}

func (g gated) Control(_, _ string, data []byte, answer func([]byte, *protocol.Problem)) {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.gate
	answer(data, nil)
}

// What has arrived when a node stops to listen as the coordinator is still answered: who asked would wait for long.
func TestLead_TakesWhatHasArrived(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Incarnation: "uuid", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler)})
	g := gated{entered: make(chan struct{}, 1), gate: make(chan struct{})}
	if err := s.Serve(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := s.Lead(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	nc := natstest.Connect(t, srv.URL())
	answers, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	const requests = 20
	for range requests {
		if err := nc.PublishRequest("phub.h.int.coord.ctl.status", answers.Subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	<-g.entered
	if err := s.Lead(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	close(g.gate)
	for i := range requests {
		if _, err := answers.NextMsg(5 * time.Second); err != nil {
			t.Fatalf("answer %d of %d: %v", i+1, requests, err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := nc.Request("phub.h.int.coord.ctl.status", nil, 5*time.Second); errors.Is(err, nats.ErrNoResponders) {
			return
		}
		if time.Now().After(end) {
			t.Fatal("requests are still taken")
		}
	}
}
