package inmem_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/internal/porttest"
	"github.com/phub-io/phub/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	n := inmem.New()
	n.Access(true)
	porttest.Run(t, system{n})
}

type system struct{ n *inmem.NATS }

func (s system) Open(t testing.TB, hub, node string) porttest.Peer {
	p := s.n.Open(inmem.Config{Hub: hub, Node: node, Keys: porttest.KeysOf(node)})
	t.Cleanup(p.Close)
	return p
}

func (s system) Crash(_ testing.TB, p porttest.Peer) { s.n.Cut(p.(*inmem.Session)) }

func (s system) Request(ctx context.Context, subject string, data []byte) (porttest.Reply, error) {
	m, err := s.n.Request(ctx, subject, nil, data)
	return porttest.Reply{Header: m.Header, Data: m.Data}, err
}

func (s system) Publish(_ testing.TB, subject string, data []byte) { s.n.Publish(subject, data) }

func (s system) PublishRequest(_ testing.TB, subject, reply string, data []byte) {
	s.n.PublishRequest(subject, reply, data)
}

func (s system) Subscribe(t testing.TB, filter string, f func(string, []byte)) {
	t.Cleanup(s.n.Subscribe(filter, func(m inmem.Msg) { f(m.Subject, m.Data) }))
}

func (s system) Put(_ testing.TB, hub string, b protocol.Bucket, key string, value []byte) {
	s.n.Put(hub, b, key, value)
}

func (s system) Delete(_ testing.TB, hub string, b protocol.Bucket, key string) {
	s.n.Delete(hub, b, key)
}
