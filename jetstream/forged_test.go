package jetstream_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/natstest"
	counts "github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// TestSession_PassesOverWhatNobodyAskedForOrSigned asks, where somebody who hears the questions answers first: as a stream does that
// records them, unsigned, with a key of his own, and with a true answer to the question before.
func TestSession_PassesOverWhatNobodyAskedForOrSigned(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	log, refused := &lines{}, &counts.Counter{}
	keys := protocol.NewKeys(strings.NewReader(strings.Repeat("n", 32)))
	self := protocol.Incarnation{Node: "n", ID: keys.NewID()}
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Keys: keys, Dial: dial(srv.URL()), Refused: refused, Logger: slog.New(slog.NewTextHandler(log, nil))})
	other := protocol.NewKeys(strings.NewReader(strings.Repeat("o", 32)))
	coordinator := protocol.Incarnation{Node: "o", ID: other.NewID()}
	mallory := protocol.NewKeys(strings.NewReader(strings.Repeat("m", 32)))
	forger := protocol.Incarnation{Node: "o", ID: mallory.NewID()}

	nc := natstest.Connect(t, srv.URL())
	var mu sync.Mutex
	before := map[string][]byte{} // the last true answer, by subject
	// answer sends the forged answers and then the true one.
	answer := func(m *nats.Msg, truth, lie protocol.Message) {
		mu.Lock()
		defer mu.Unlock()
		unsigned, _ := protocol.EncodeSigned(nil, m.Subject, truth)
		own, _ := protocol.EncodeSigned(mallory, m.Subject, lie)
		right, err := protocol.EncodeSigned(other, m.Subject, truth)
		text, _ := protocol.SplitSignature(right)
		_, sig := protocol.SplitSignature(own)
		for _, data := range [][]byte{[]byte(`{"stream":"AUDIT","seq":7}`), unsigned, append(append(slices.Clip(text), `,"sig":"`+sig...), `"}`...), before[m.Subject], right} {
			if err := nc.Publish(m.Reply, data); err != nil {
				t.Error(err)
			}
		}
		if before[m.Subject] = right; err != nil {
			t.Error(err)
		}
	}
	subscribe := func(subject string, f nats.MsgHandler) {
		if _, err := nc.Subscribe(subject, f); err != nil {
			t.Fatal(err)
		}
	}
	subscribe("phub.h.int.coord.beat", func(m *nats.Msg) {
		b, err := protocol.OpenBeat(m.Subject, m.Data)
		if err != nil {
			t.Error(err)
		}
		a := protocol.BeatAnswer{V: 1, Coordinator: coordinator, To: b.ID, Number: b.Number, View: b.Number, Accepted: true}
		lie := a
		lie.Coordinator, lie.View = forger, 99
		answer(m, &a, &lie)
	})
	subscribe("phub.h.int.node.o.release", func(m *nats.Msg) {
		r, err := protocol.OpenReleaseRequest(m.Subject, m.Data)
		if err != nil {
			t.Error(err)
		}
		a := protocol.ReleaseAnswer{V: 1, Node: "o", ID: coordinator.ID, To: r.ID, Number: r.Number, Released: []string{r.Children[0].Child}}
		lie := a
		lie.ID = forger.ID
		answer(m, &a, &lie)
	})
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := uint64(1); n <= 3; n++ {
		a, err := s.Beat(ctx, protocol.Beat{V: 1, Incarnation: self, Number: n, Status: protocol.Up})
		if err != nil || a.Number != n || a.View != n || a.Coordinator != coordinator {
			t.Errorf("heartbeat %d: %+v %v", n, a, err)
		}
		child := string(rune('a' + n))
		r, err := s.Transport().AskRelease(ctx, "o", protocol.ReleaseRequest{V: 1, From: "n", ID: self.ID, Number: n, Children: []protocol.Release{{Child: child, View: 1}}})
		if err != nil || len(r.Released) != 1 || r.Released[0] != child {
			t.Errorf("request for release %d: %+v %v", n, r, err)
		}
	}
	if n := refused.Counts()[protocol.ReasonMessage]; n != 24 {
		t.Errorf("%d answers were counted as refused, expected 4 of each of 6", n)
	}
	if told := log.with("message not understood"); len(told) != 1 || !strings.Contains(told[0], `found stream \"AUDIT\"`) {
		t.Errorf("the log has %q, expected one line", told)
	}
	if _, err := s.Beat(ctx, protocol.Beat{V: 1, Incarnation: coordinator, Number: 9, Status: protocol.Up}); err == nil {
		t.Error("a heartbeat went out in another's name")
	}
}

// TestControl_PassesOverWhatIsNoNodesAnswer asks for the status where a stream records what nodes hand on to the coordinator.
func TestControl_PassesOverWhatIsNoNodesAnswer(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	log, refused := &lines{}, &counts.Counter{}
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL()), Refused: refused, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err := s.Serve(t.Context(), late{refused: refused}); err != nil {
		t.Fatal(err)
	}
	if err := s.Lead(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	nc := natstest.Connect(t, srv.URL())
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "AUDIT", Subjects: []string{"phub.h.int.coord.>"}, Storage: natsjs.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request("phub.h.ctl.status", []byte("{}"), 10*time.Second)
	if err != nil || string(m.Data) != `{"hub":"h"}` || m.Header.Get(protocol.HeaderNode) != "n" {
		t.Errorf("the answer is %q %v (%v)", m.Data, m.Header, err)
	}
	if told := log.with(`found stream \"AUDIT\"`); len(told) != 1 || refused.Counts()[protocol.ReasonMessage] != 1 {
		t.Errorf("the log has %q, and %v were counted", told, refused.Counts())
	}
}

// late answers control requests once another answer was refused.
type late struct {
	deaf
	refused *counts.Counter
}

func (l late) Control(_, _ string, _ []byte, answer func([]byte, *protocol.Problem)) {
	go func() {
		for end := time.Now().Add(9 * time.Second); l.refused.Counts()[protocol.ReasonMessage] == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		answer([]byte(`{"hub":"h"}`), nil)
	}()
}
