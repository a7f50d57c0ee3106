package phub_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// All NATS servers are restarted in lame duck mode, one by one. Clients at the others, which send plain requests and never
// again, see nothing of it, and the hub decides nothing.
func TestLameDuck_CostsNothing(t *testing.T) {
	t.Parallel()
	c := natstest.ClusterWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) {
		o.LameDuckGracePeriod, o.LameDuckDuration = time.Second, 2*time.Second
	}})
	h := newTestHub(t, c.URL())
	for i, s := range c.Servers { // of the other servers a node learns from its own
		o := h.options(fmt.Sprintf("node%d", i+1))
		o.URL = s.URL()
		h.joinWith(o)
	}
	var children []string
	var specs []phub.Spec
	for i := range 30 {
		s := phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "who"}
		if i%3 == 0 {
			s.Redundancy = phub.Redundancy{Factor: 2, Model: phub.ActivePassive}
		}
		specs, children = append(specs, s), append(children, s.Child)
	}
	h.start(specs...)
	h.settled()
	before, err := h.client.Status(h.ctx(20 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range c.Servers {
		l := h.plainLoad(6, []string{c.Servers[(i+1)%3].URL(), c.Servers[(i+2)%3].URL()}, children)
		s.Running().LameDuckShutdown()
		s.Stop()
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		h.current(c)
		l.end(t)
		t.Logf("%s was restarted: %d requests", s.Name(), l.asked)
	}
	after, err := h.client.Status(h.ctx(20 * time.Second))
	if err != nil || after.View != before.View || after.Coordinator != before.Coordinator {
		t.Errorf("there was view %d of %v, and is view %d of %v: %v", before.View, before.Coordinator, after.View, after.Coordinator, err)
	}
}

// current waits until each server has all of the hub's streams: who restarts the next one before that leaves them without a majority.
func (h *testHub) current(c *natsembed.Cluster) {
	h.t.Helper()
	if err := c.WaitReady(20 * time.Second); err != nil {
		h.t.Fatal(err)
	}
	h.eventually("all servers have the hub's streams", func() bool {
		for _, b := range protocol.Buckets {
			stream := "KV_" + b.Name(h.name)
			if c.Leader(stream) < 0 || slices.ContainsFunc(c.Servers, func(s *natsembed.Server) bool { return !s.Running().JetStreamIsStreamCurrent("TEST", stream) }) {
				return false
			}
		}
		return true
	})
}

// settled waits until the hub has nothing to do any more.
func (h *testHub) settled() {
	h.t.Helper()
	h.eventually("the hub is settled", func() bool {
		s, err := h.client.Status(h.ctx(5 * time.Second))
		return err == nil && s.Settled && s.Incomplete == 0 && s.NoActive == 0
	})
}
