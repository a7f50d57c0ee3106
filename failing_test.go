package phub_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// TestNode_WhatKeepsFailingLosesTheActiveRole has a worker crash on each ninth request, on one node only, and asks on and on without any
// retry: the requests that crash it fail, until the standby on the other node has the role. No other one fails.
func TestNode_WhatKeepsFailingLosesTheActiveRole(t *testing.T) {
	t.Parallel()
	url := natstest.Single(t).URL()
	h := newTestHub(t, url)
	var sick atomic.Pointer[string]
	var asked atomic.Int64
	flaky := func(r phub.Replica) (phub.Worker, error) {
		return phub.HandlerFunc(func(context.Context, *phub.Message) ([]byte, error) {
			if s := sick.Load(); s != nil && *s == r.Node && asked.Add(1)%9 == 0 {
				panic("the ninth")
			}
			return []byte(r.Node), nil
		}), nil
	}
	for _, name := range []string{"node1", "node2"} {
		o := h.options(name)
		o.Kinds = map[string]phub.Kind{"flaky": flaky}
		h.joinWith(o)
	}
	spec := pair("child1")
	spec.Kind, spec.Restart.Max = "flaky", 1000
	first := h.start(spec)[0].Replicas[0].Node
	sick.Store(&first)

	nc := natstest.Connect(t, url)
	ask := func() *nats.Msg {
		m, err := nc.Request("phub.my_hub.req.child1", nil, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	panics := 0
	h.eventually("the other node is active", func() bool {
		m := ask()
		switch code := m.Header.Get(protocol.HeaderErrorCode); {
		case code == "" && string(m.Data) != first:
			return true
		case code == "":
		case m.Header.Get(protocol.HeaderCause) != "panic":
			t.Fatalf("a request was answered with %v", m.Header)
		default:
			panics++
		}
		return false
	})
	t.Logf("%d requests crashed the worker on %s", panics, first)
	for range 300 {
		if m := ask(); m.Header.Get(protocol.HeaderErrorCode) != "" || string(m.Data) == first {
			t.Fatalf("a request after that was answered with %v %q", m.Header, m.Data)
		}
	}

	info, err := h.client.Info(h.ctx(10*time.Second), "child1")
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Failed) > 0 || len(info.Replicas) != 2 || info.Replicas[0].Node == first || info.Replicas[0].Failing || !info.Replicas[1].Failing {
		t.Errorf("child info has %+v", info)
	}
	if !strings.Contains(info.Reason, "handed over from "+first+", where it kept failing: restarted 3 times within 5 minutes; the last error: ") {
		t.Errorf("the reason is %q", info.Reason)
	}
	st, err := h.client.Status(h.ctx(10 * time.Second))
	if err != nil || st.Failing != 1 || st.Failed != 0 || len(st.Named.Failing) != 1 {
		t.Errorf("status: %+v, %v", st, err)
	}
}
