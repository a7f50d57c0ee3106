package phub_test

import (
	"context"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// TestStatus_ShowsWhatIsNotAnswered has both nodes of a hub be asked for answers where none belong, and sent junk.
func TestStatus_ShowsWhatIsNotAnswered(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1", "node2")
	h.start(phub.Spec{Child: "c", Kind: "who"})
	nc := natstest.Connect(t, srv.URL())
	for range 5 {
		for _, subject := range []string{"phub.my_hub.req.c", "phub.my_hub.ctl.status", "$SRV.PING.phub"} { // the last reaches both
			if err := nc.PublishRequest(subject, "$CANARY.x", nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, subject := range []string{"phub.my_hub.int.coord.beat", "phub.my_hub.int.node.node1.release", "phub.my_hub.int.node.node2.release"} {
			if err := nc.Publish(subject, []byte("junk")); err != nil {
				t.Fatal(err)
			}
		}
	}
	var refused map[string]phub.Refused
	h.eventually("the status counts all of it", func() bool {
		st, err := h.client.Status(h.ctx(20 * time.Second))
		refused = st.Refused
		return err == nil && refused["reply"].Total >= 20 && refused["message"].Total >= 15
	})
	if r := refused["reply"]; r.Total != 20 || r.PerMinute != 20 {
		t.Errorf("refused %+v, expected 20 replies, all in the last minute", refused)
	}
	if r := refused["message"]; r.Total != 15 || r.PerMinute != 15 {
		t.Errorf("refused %+v, expected 15 messages, all in the last minute", refused)
	}
}

// TestReply_HeadersHaveNoServerPublish has a handler set the header by which a server sends traces, with the rights of who
// published the message.
func TestReply_HeadersHaveNoServerPublish(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Account: "TEST", System: true})
	h := newTestHub(t, srv.URL())
	o := h.options("node1")
	o.Kinds["tracing"] = func(phub.Replica) (phub.Worker, error) {
		return phub.HandlerFunc(func(_ context.Context, m *phub.Message) ([]byte, error) {
			m.SetReplyHeader("Nats-Trace-Dest", "canary.trace")
			m.SetReplyHeader("X-Mine", "1")
			return nil, nil
		}), nil
	}
	h.joinWith(o)
	h.start(phub.Spec{Child: "c", Kind: "tracing"})
	nc := natstest.Connect(t, srv.URL())
	traces, err := nc.SubscribeSync("canary.>")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a trace of one reply has arrived before the next
		m, err := nc.RequestWithContext(h.ctx(20*time.Second), "phub.my_hub.req.c", nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("X-Mine") != "1" || m.Header.Get("Nats-Trace-Dest") != "" {
			t.Errorf("headers %v, expected the handler's own without the trace's", m.Header)
		}
	}
	if n, _, err := traces.Pending(); n > 0 || err != nil {
		t.Errorf("a server published %d traces of replies (error %v)", n, err)
	}
}
