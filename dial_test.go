package phub_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// A node that was given one server of three comes back when that one dies for good, as a plain client does.
func TestJoin_OneServerOfThreeIsEnough(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	h := newTestHub(t, c.URL())
	o := h.options("node1")
	o.URL = c.Servers[0].URL()
	h.joinWith(o)
	h.start(phub.Spec{Child: "c", Kind: "who"})
	c.Servers[0].Stop()
	h.eventually("the child answers again", func() bool {
		_, err := h.client.Request(h.ctx(time.Second), "c", nil)
		return err == nil
	})
}

// withPassword changes a server so that only the user u with the password p gets in.
func withPassword(o *server.Options) {
	o.NoAuthUser = ""
	o.Users[0].Username, o.Users[0].Password = "u", "p"
}

func TestDialLike_HasTheServersAndCredentialsOfTheOther(t *testing.T) {
	t.Parallel()
	c := natstest.ClusterWith(t, natsembed.Config{Account: "TEST", Change: withPassword})
	for name, nc := range map[string]*nats.Conn{
		"in the URL": natstest.Connect(t, "nats://u:p@"+c.Servers[0].URL()[len("nats://"):], nats.CustomInboxPrefix("_INBOX.mine")),
		"an option":  natstest.Connect(t, c.Servers[0].URL(), nats.UserInfo("u", "p"), nats.CustomInboxPrefix("_INBOX.mine")),
	} {
		dial := phub.DialLike(nc)
		like, err := dial(nats.Name("like"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if like.Opts.Name != "like" || like.Opts.InboxPrefix != nc.Opts.InboxPrefix || len(like.Servers()) != 3 {
			t.Errorf("%s: got name %q, inbox prefix %q, servers %q", name, like.Opts.Name, like.Opts.InboxPrefix, like.Servers())
		}
		like.Close()
		nc.Close()
	}
}

// The servers that a connection learned are dialled with its credentials when the one that was named is gone.
func TestDialLike_AfterTheNamedServerIsGone(t *testing.T) {
	t.Parallel()
	c := natstest.ClusterWith(t, natsembed.Config{Account: "TEST", Change: withPassword})
	nc := natstest.Connect(t, "nats://u:p@"+c.Servers[0].URL()[len("nats://"):])
	c.Servers[0].Stop()
	like, err := phub.DialLike(nc)()
	if err != nil {
		t.Fatal(err)
	}
	like.Close()
}
