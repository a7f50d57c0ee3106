package natstest

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/phub-io/phub/internal/natsembed"
)

// Domains starts two servers for the length of the test, each with a JetStream domain that is called as it is, "hub" and "leaf". The
// second is a leaf node of the first, for the tests' account: what one's clients publish in core NATS the other's hear.
func Domains(t testing.TB) (hub, leaf *natsembed.Server) {
	t.Helper()
	hub, leaf, link := ApartDomains(t)
	link()
	return hub, leaf
}

// ApartDomains starts such servers that do not know each other yet. link restarts the second one as a leaf node of the first.
func ApartDomains(t testing.TB) (hub, leaf *natsembed.Server, link func()) {
	t.Helper()
	hub = SingleWith(t, natsembed.Config{Name: "hub", Account: account, System: true, Change: func(o *server.Options) {
		o.JetStreamDomain = "hub"
		o.LeafNode.Host, o.LeafNode.Port = "127.0.0.1", -1
		o.LeafNode.Account = account
	}})
	linked := false
	leaf = SingleWith(t, natsembed.Config{Name: "leaf", Account: account, System: true, Change: func(o *server.Options) {
		o.JetStreamDomain = "leaf"
		if linked {
			to := &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", leafPort(t, hub))}
			o.LeafNode.Remotes = []*server.RemoteLeafOpts{{LocalAccount: account, URLs: []*url.URL{to}}}
		}
	}})
	return hub, leaf, func() {
		t.Helper()
		leaf.Stop()
		linked = true
		if err := leaf.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); leaf.Running().NumLeafNodes() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the leaf node is not connected after 20s")
			}
		}
	}
}

// leafPort returns where a server takes leaf nodes.
func leafPort(t testing.TB, s *natsembed.Server) int {
	t.Helper()
	v, err := s.Running().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	return v.LeafNode.Port
}
