package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/internal/porttest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// Two of an embedded server's own goroutines may outlive its shutdown for a moment.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

func TestConformance_OneServer(t *testing.T) {
	t.Parallel()
	porttest.Run(t, newSystem(t, natstest.SingleWith(t, natsembed.Config{Account: "TEST", System: true})))
}

func TestConformance_ThreeServers(t *testing.T) {
	t.Parallel()
	porttest.Run(t, newSystem(t, natstest.ClusterWith(t, natsembed.Config{Account: "TEST", System: true}).Servers...))
}

// TestConformance_InADomain has sessions at a leaf node with a JetStream domain of its own, and their buckets in the other one.
func TestConformance_InADomain(t *testing.T) {
	t.Parallel()
	hub, leaf := natstest.Domains(t)
	s := newSystem(t, leaf)
	s.nc = natstest.Connect(t, hub.URL())
	s.domain = "hub"
	porttest.Run(t, s)
}

// system runs the suite on real servers: each session connects to another one than the last, plain
// clients to the first.
type system struct {
	servers []*natsembed.Server
	turn    *atomic.Int64
	nc      *nats.Conn
	domain  string
}

func newSystem(t *testing.T, servers ...*natsembed.Server) system {
	return system{servers: servers, turn: new(atomic.Int64), nc: natstest.Connect(t, servers[0].URL())}
}

func (s system) Open(t testing.TB, hub, node string) porttest.Peer {
	url := s.servers[s.turn.Add(1)%int64(len(s.servers))].URL()
	return open(t, jetstream.Config{Hub: hub, Node: node, Keys: porttest.KeysOf(node), Domain: s.domain, Dial: dial(url)})
}

func (s system) Crash(t testing.TB, p porttest.Peer) {
	t.Helper()
	for _, srv := range s.servers {
		if srv.Running().ID() == p.Conn().Server {
			if err := srv.Disconnect(p.Conn().Client); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s system) Request(ctx context.Context, subject string, data []byte) (porttest.Reply, error) {
	m, err := s.nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return porttest.Reply{}, fmt.Errorf("%w: %w", coordinator.ErrNoResponders, err)
	}
	if err != nil {
		return porttest.Reply{}, err
	}
	return porttest.Reply{Header: m.Header, Data: m.Data}, nil
}

func (s system) Publish(t testing.TB, subject string, data []byte) {
	t.Helper()
	if err := s.nc.Publish(subject, data); err != nil {
		t.Fatal(err)
	}
}

func (s system) PublishRequest(t testing.TB, subject, reply string, data []byte) {
	t.Helper()
	if err := s.nc.PublishRequest(subject, reply, data); err != nil {
		t.Fatal(err)
	}
}

func (s system) Subscribe(t testing.TB, filter string, f func(string, []byte)) {
	t.Helper()
	sub, err := s.nc.Subscribe(filter, func(m *nats.Msg) { f(m.Subject, m.Data) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

func (s system) Put(t testing.TB, hub string, b protocol.Bucket, key string, value []byte) {
	t.Helper()
	kv := keyValue(t, s.nc, b.Name(hub))
	if _, err := kv.Put(context.Background(), key, value); err != nil {
		t.Fatal(err)
	}
}

func (s system) Delete(t testing.TB, hub string, b protocol.Bucket, key string) {
	t.Helper()
	kv := keyValue(t, s.nc, b.Name(hub))
	if err := kv.Delete(context.Background(), key); err != nil {
		t.Fatal(err)
	}
}
