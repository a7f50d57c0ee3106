package jetstream_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// refusals is a worker.Handler that notes which children NATS refused.
type refusals struct {
	mu  sync.Mutex
	all map[string]error
}

func (r *refusals) Request(in *worker.Incoming) { _ = in.Reply.Reply(nil, []byte("ok")) }

func (r *refusals) Release(protocol.ReleaseRequest, func(protocol.ReleaseAnswer)) {}

func (r *refusals) Refused(child string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]error{}
	}
	r.all[child] = err
}

func (r *refusals) get(child string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[child]
}

// opened opens n children c.0, c.1, … and returns their names.
func opened(t *testing.T, s *jetstream.Session, h worker.Handler, n int) []string {
	t.Helper()
	if err := s.Transport().Serve(h); err != nil {
		t.Fatal(err)
	}
	names := make([]string, n)
	what := make([]protocol.Interest, n)
	for i := range n {
		names[i] = fmt.Sprintf("c.%d", i)
		what[i] = protocol.Interest{Child: names[i], Group: 1}
	}
	if err := s.Transport().Open(t.Context(), what); err != nil {
		t.Fatal(err)
	}
	return names
}

// answered returns which of the children answer.
func answered(t *testing.T, nc *nats.Conn, names []string) []string {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(names), func(c string) bool {
		_, err := nc.RequestWithContext(t.Context(), protocol.SubjectsOf("h").Request(c), nil)
		return err != nil
	})
}

func TestOpen_TooManySubscriptionsAreRefused(t *testing.T) {
	t.Parallel()
	const children, most = 100, 60
	s := natstest.SingleWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) { o.MaxSubs = most }})
	var h refusals
	names := opened(t, open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(s.URL())}), &h, children)
	nc := natstest.Connect(t, s.URL())
	good := answered(t, nc, names)
	if len(good) < most/2 || len(good) == children {
		t.Fatalf("%d of %d children answer with room for %d subscriptions", len(good), children, most)
	}
	eventually(t, "those and only those that do not answer were refused", func() bool {
		return !slices.ContainsFunc(names, func(c string) bool { return slices.Contains(good, c) == (h.get(c) != nil) })
	})
	refused := names[slices.IndexFunc(names, func(c string) bool { return h.get(c) != nil })]
	if err := h.get(refused); !strings.Contains(err.Error(), "raise max_subs") {
		t.Errorf("got %q, want what to do", err)
	}
}

// A connection without any room can still ask whether another is open.
func TestConnected_NeedsNoSubscriptionOfItsOwn(t *testing.T) {
	t.Parallel()
	s := natstest.SingleWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) { o.MaxSubs = 40 }})
	var h refusals
	a := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(s.URL())})
	opened(t, a, &h, 60)
	b := open(t, jetstream.Config{Hub: "h", Node: "m", Dial: dial(s.URL())})
	if got, err := a.Connected(t.Context(), b.Conn()); got.String() != "open" || err != nil {
		t.Errorf("got %v, %v, want open", got, err)
	}
}

func TestOpen_DeniedSubscriptionsAreRefused(t *testing.T) {
	t.Parallel()
	s := natstest.SingleWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) {
		o.Users[0].Permissions = &server.Permissions{Subscribe: &server.SubjectPermission{Deny: []string{"phub.h.req.c.3", "phub.h.req.c.5"}}}
	}})
	var h refusals
	names := opened(t, open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(s.URL())}), &h, 8)
	eventually(t, "the two are refused", func() bool { return h.get("c.3") != nil && h.get("c.5") != nil })
	good := answered(t, natstest.Connect(t, s.URL()), names)
	if want := []string{"c.0", "c.1", "c.2", "c.4", "c.6", "c.7"}; !slices.Equal(good, want) || h.get("c.0") != nil {
		t.Errorf("%v answer, want %v", good, want)
	}
	if text := h.get("c.3").Error(); !strings.Contains(text, "phub.h.req.c.3") {
		t.Errorf("got %q, want the subject", text)
	}
}
