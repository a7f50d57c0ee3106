package jetstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/jetstream"
)

// dial connects to url as a program would.
func dial(url string, opts ...nats.Option) func(...nats.Option) (*nats.Conn, error) {
	return func(more ...nats.Option) (*nats.Conn, error) { return nats.Connect(url, append(opts, more...)...) }
}

// open opens a session for the length of the test. A cluster that has just started may refuse for a
// while.
func open(t testing.TB, cfg jetstream.Config) *jetstream.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := jetstream.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func keyValue(t testing.TB, nc *nats.Conn, bucket string) natsjs.KeyValue {
	t.Helper()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(context.Background(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20s", what)
		}
	}
}
