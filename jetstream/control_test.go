package jetstream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// deaf is a coordinator.Handler that answers nothing, but records.
type deaf struct{}

func (deaf) Record(view.Record)                            {}
func (deaf) Beat(protocol.Beat, func(protocol.BeatAnswer)) {}
func (deaf) Missed(protocol.Bucket)                        {}
func (deaf) Woken()                                        {}
func (deaf) NoInterest(string)                             {}
func (deaf) ConnReported(protocol.Conn)                    {}
func (deaf) Undecodable(string, error)                     {}
func (deaf) Control(_, _ string, data []byte, answer func([]byte, *protocol.Problem)) {
	switch {
	case string(data) == "large":
		answer(make([]byte, 2<<20), nil)
	case !bytes.HasPrefix(data, []byte("silence")):
		answer(data, nil)
	}
}

func served(t *testing.T, patience time.Duration) (*jetstream.Session, *nats.Conn) {
	t.Helper()
	srv := natstest.Single(t)
	s := open(t, jetstream.Config{
		Hub: "h", Node: "n", Incarnation: "uuid", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler),
		Control: jetstream.ControlInfo{Version: "v1.2.3", Labels: map[string]string{"zone": "a"}, Patience: patience},
	})
	if err := s.Serve(t.Context(), deaf{}); err != nil {
		t.Fatal(err)
	}
	return s, natstest.Connect(t, srv.URL())
}

func TestControl_IsANATSService(t *testing.T) {
	t.Parallel()
	_, nc := served(t, time.Second)
	m, err := nc.Request("$SRV.INFO.phub", nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	if md := info.Metadata; info.Version != "1.2.3" || md["hub"] != "h" || md["node"] != "n" || md["incarnation"] != "uuid" || md["zone"] != "a" {
		t.Errorf("service %+v", info)
	}
	if len(info.Endpoints) != 10 || !strings.HasPrefix(info.Endpoints[0].Subject, "phub.h.ctl.") {
		t.Errorf("endpoints %+v", info.Endpoints)
	}
}

func TestControl_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, nc := served(t, 100*time.Millisecond)
	code := func(data string) string {
		t.Helper()
		m, err := nc.Request("phub.h.ctl.status", []byte(data), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return m.Header.Get(protocol.HeaderErrorCode)
	}
	if got := code(""); got != "507" {
		t.Errorf("without a coordinator: %s, want 507", got)
	}
	if err := s.Lead(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := code("large"); got != "413" {
		t.Errorf("answer over the limit: %s, want 413", got)
	}
}

// wait has n starts under way that are not answered, and returns when the node has taken them all.
func wait(t *testing.T, nc *nats.Conn, n int, body func(int) string) {
	t.Helper()
	sub, err := nc.SubscribeSync("phub.h.int.coord.ctl.start")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := nc.PublishRequest("phub.h.ctl.start", nc.NewInbox(), []byte(body(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if _, err := sub.NextMsg(10 * time.Second); err != nil {
			t.Fatalf("%d of %d are under way: %v", i, n, err)
		}
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
}

func TestControl_WhatWaitsKeepsNobodyFromAsking(t *testing.T) {
	t.Parallel()
	s, nc := served(t, time.Second)
	if err := s.Lead(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	code := func(verb, data string) string {
		t.Helper()
		m, err := nc.Request("phub.h.ctl."+verb, []byte(data), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return m.Header.Get(protocol.HeaderErrorCode)
	}
	wait(t, nc, 255, func(i int) string { return fmt.Sprintf("silence %d", i) })
	wait(t, nc, 700, func(int) string { return "silence, all the same" })
	if got := code(protocol.VerbStart, "another"); got != "429" {
		t.Errorf("a start beside 256 different ones: %q, want 429", got)
	}
	for _, verb := range []string{protocol.VerbStop, protocol.VerbMove, protocol.VerbList, protocol.VerbInfo, protocol.VerbNodes, protocol.VerbStatus} {
		if got := code(verb, "x"); got != "" {
			t.Errorf("%s beside them: %q, want an answer", verb, got)
		}
	}
	wait(t, nc, 1024-955, func(int) string { return "silence, all the same" })
	if got := code(protocol.VerbStart, "silence, all the same"); got != "429" {
		t.Errorf("one of 1025 starts: %q, want 429", got)
	}
}

func TestSince_LeavesNoConsumerBehind(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
	writes := make([]view.Write, 500)
	for i := range writes {
		writes[i].Key = "k." + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	if _, err := s.Commit(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	recs, _, err := s.Since(t.Context(), protocol.PlacementBucket, 0)
	if err != nil || len(recs) != len(writes) {
		t.Fatalf("%d records, %v", len(recs), err)
	}
	js, err := natsjs.New(natstest.Connect(t, srv.URL()))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the consumer is gone", func() bool {
		st, err := js.Stream(t.Context(), "KV_phub_h_placement")
		return err == nil && st.CachedInfo().State.Consumers == 0
	})
}
