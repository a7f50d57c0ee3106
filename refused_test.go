package phub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// withDenied starts a server that does not let the user "limited" subscribe to some subjects.
func withDenied(t *testing.T, subjects ...string) *natsembed.Server {
	t.Helper()
	return natstest.SingleWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) {
		o.Users = append(o.Users, &server.User{
			Username: "limited", Password: "limited", Account: o.Users[0].Account,
			Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Deny: subjects}},
		})
	}})
}

func limited(o phub.Options) phub.Options {
	o.NATS = []nats.Option{nats.UserInfo("limited", "limited")}
	return o
}

// A replica whose subscription NATS refuses is not active there: another node takes over, and the text of NATS is told.
func TestNode_ReplicaThatMayNotSubscribeIsActiveElsewhere(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, withDenied(t, "phub.my_hub.req.c.1").URL())
	h.joinWith(limited(h.options("node1")))
	results, err := h.client.Start(h.ctx(20*time.Second), []phub.Spec{{Child: "c.1", Kind: "who"}, {Child: "c.2", Kind: "who"}}, nil)
	if err != nil && len(results) != 2 {
		t.Fatal(err)
	}
	h.eventually("c.1 is given up on the only node, for NATS's reason", func() bool {
		info, err := h.client.Info(h.ctx(5*time.Second), "c.1")
		return err == nil && len(info.Failed) == 1 && strings.Contains(info.Failed[0].Error, `"phub.my_hub.req.c.1"`)
	})
	if _, err := h.client.Request(h.ctx(5*time.Second), "c.2", nil); err != nil {
		t.Errorf("c.2, which is allowed: %v", err)
	}
	h.join("node2")
	reply, err := h.client.Request(h.ctx(20*time.Second), "c.1", nil)
	if err != nil || reply.Node != "node2" {
		t.Errorf("got %+v, %v, want an answer of node2", reply, err)
	}
}

// A node that may not subscribe to what every node needs does not join, and says which subject it is.
func TestJoin_MayNotSubscribe(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"phub.my_hub.int.kv.>", "phub.my_hub.int.node.node1.>", "phub.my_hub.ctl.>"} {
		h := newTestHub(t, withDenied(t, subject).URL())
		_, err := phub.Join(h.ctx(10*time.Second), limited(h.options("node1")))
		if !errors.Is(err, phub.ErrPermanent) || !strings.Contains(err.Error(), strings.TrimSuffix(subject, ">")) {
			t.Errorf("without %s: got %v, want ErrPermanent with the subject", subject, err)
		}
	}
}
