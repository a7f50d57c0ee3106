package jetstream_test

import (
	"encoding/json"
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
func (deaf) Woken()                                        {}
func (deaf) NoInterest(string)                             {}
func (deaf) ConnReported(protocol.Conn)                    {}
func (deaf) Undecodable(string, error)                     {}
func (deaf) Control(_ string, data []byte, answer func([]byte, *protocol.Problem)) {
	switch string(data) {
	case "large":
		answer(make([]byte, 2<<20), nil)
	case "silence":
	default:
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
	if len(info.Endpoints) != 7 || !strings.HasPrefix(info.Endpoints[0].Subject, "phub.h.ctl.") {
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
	for range 256 {
		if err := nc.PublishRequest("phub.h.ctl.status", nc.NewInbox(), []byte("silence")); err != nil {
			t.Fatal(err)
		}
	}
	if got := code("one too many"); got != "429" {
		t.Errorf("one request too many: %s, want 429", got)
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
