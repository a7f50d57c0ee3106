// Package natstest starts embedded nats-servers for a test and stops them at its end.
package natstest

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
)

// account is that of the tests' clients: see natsembed.Config.Account.
const account = "TEST"

// Single starts one server with JetStream for the length of the test.
func Single(t testing.TB) *natsembed.Server {
	t.Helper()
	return SingleWith(t, natsembed.Config{Account: account})
}

// SingleWith starts one server as cfg says, with its data in the test's own folder.
func SingleWith(t testing.TB, cfg natsembed.Config) *natsembed.Server {
	t.Helper()
	cfg.StoreDir = t.TempDir()
	s, err := natsembed.StartServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Cluster starts a cluster of three servers with JetStream for the length of the test.
func Cluster(t testing.TB) *natsembed.Cluster {
	t.Helper()
	return ClusterWith(t, natsembed.Config{Account: account})
}

// ClusterWith starts a cluster of three servers as cfg says, with its data in the test's own folder.
func ClusterWith(t testing.TB, cfg natsembed.Config) *natsembed.Cluster {
	t.Helper()
	cfg.StoreDir = t.TempDir()
	c, err := natsembed.StartCluster(3, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// Connect connects a plain client for the length of the test.
func Connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
