package jetstream_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// quickDuck is a cluster whose servers, in lame duck mode, begin to close connections after a second.
func quickDuck(t *testing.T) *natsembed.Cluster {
	t.Helper()
	return natstest.ClusterWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) {
		o.LameDuckGracePeriod, o.LameDuckDuration = time.Second, 2*time.Second
	}})
}

// serverOf returns the server of a session.
func serverOf(t *testing.T, c *natsembed.Cluster, s *jetstream.Session) *natsembed.Server {
	t.Helper()
	for _, x := range c.Servers {
		if x.Running().ID() == s.Conn().Server {
			return x
		}
	}
	t.Fatal("no server has the session")
	return nil
}

// ignore is a coordinator.Handler that takes nothing but calls for a heartbeat.
type ignore struct{ woken atomic.Int64 }

func (*ignore) Record(view.Record)                                              {}
func (*ignore) Missed(protocol.Bucket)                                          {}
func (*ignore) Beat(protocol.Beat, func(protocol.BeatAnswer))                   {}
func (*ignore) Control(string, string, []byte, func([]byte, *protocol.Problem)) {}
func (*ignore) NoInterest(string)                                               {}
func (h *ignore) Woken()                                                        { h.woken.Add(1) }
func (*ignore) ConnReported(protocol.Conn)                                      {}
func (*ignore) Undecodable(string, error)                                       {}

// once answers each request, and counts them by what they bring. Some take a while.
type once struct {
	refusals
	mu   sync.Mutex
	seen map[string]int
}

func (h *once) Request(in *worker.Incoming) {
	h.mu.Lock()
	h.seen[string(in.Data)]++
	n := len(h.seen)
	h.mu.Unlock()
	if n%50 == 0 {
		time.AfterFunc(200*time.Millisecond, func() { _ = in.Reply.Reply(nil, in.Data) })
		return
	}
	_ = in.Reply.Reply(nil, in.Data)
}

// TestSession_GoesToAnotherServer has a server shut down in lame duck mode while a client at another one asks a child all the time,
// without a second try.
func TestSession_GoesToAnotherServer(t *testing.T) {
	t.Parallel()
	c := quickDuck(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(c.URL())})
	handler, h := &ignore{}, &once{seen: map[string]int{}}
	if err := s.Serve(t.Context(), handler); err != nil {
		t.Fatal(err)
	}
	opened(t, s, h, 1)
	first := serverOf(t, c, s)
	other := c.Servers[0]
	if other == first {
		other = c.Servers[1]
	}
	nc := natstest.Connect(t, other.URL(), nats.NoReconnect())
	stop, asked := make(chan struct{}), make(chan struct{})
	var sent, failed atomic.Int64
	go func() {
		defer close(asked)
		var all sync.WaitGroup
		defer all.Wait()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			all.Go(func() {
				id := strconv.FormatInt(sent.Add(1), 10)
				if m, err := nc.Request(protocol.SubjectsOf("h").Request("c.0"), []byte(id), 5*time.Second); err != nil || string(m.Data) != id {
					failed.Add(1)
					t.Errorf("request %s: %v", id, err)
				}
			})
		}
	}()
	down := make(chan struct{})
	go func() {
		defer close(down)
		first.Running().LameDuckShutdown()
	}()
	<-s.Ending()
	next := beside(t, s, handler)
	if next.Conn().Server == s.Conn().Server {
		t.Fatal("the second connection is to the same server")
	}
	if err := s.Carry(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Part()
	s.Retire(t.Context())
	<-s.Done()
	<-down
	if err := next.Ping(t.Context()); err != nil {
		t.Errorf("the second session ended with the first one: %v", err)
	}
	probe(t, nc, handler)
	close(stop)
	<-asked
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, n := range h.seen {
		if n != 1 {
			t.Errorf("request %s was handled %d times", id, n)
		}
	}
	if n := int(sent.Load()); n < 50 || len(h.seen) != n {
		t.Errorf("%d requests were sent, and %d handled; want 50 at least, and each", n, len(h.seen))
	}
}

// beside opens a session beside another one, as often as it takes.
func beside(t *testing.T, s *jetstream.Session, h coordinator.Handler) coordinator.Session {
	t.Helper()
	var next coordinator.Session
	eventually(t, "a second connection", func() (ok bool) {
		var err error
		next, err = s.Beside(t.Context(), h)
		return err == nil
	})
	return next
}

// probe looks whether a call for a heartbeat is heard once.
func probe(t *testing.T, nc *nats.Conn, h *ignore) {
	t.Helper()
	if err := nc.Publish(protocol.SubjectsOf("h").Wake("n"), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a call is heard", func() bool { return h.woken.Load() > 0 })
	if n := h.woken.Load(); n != 1 {
		t.Errorf("a call was heard %d times", n)
	}
}

// TestSession_NeedsBoth has one of two sessions end before the node has gone from one to the other: the other ends, too.
func TestSession_NeedsBoth(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"first", "second"} {
		c := quickDuck(t)
		s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(c.URL())})
		next := beside(t, s, &ignore{}).(*jetstream.Session)
		victim, other := s, next
		if which == "second" {
			victim, other = next, s
		}
		if err := serverOf(t, c, victim).Disconnect(victim.Conn().Client); err != nil {
			t.Fatal(err)
		}
		select {
		case <-other.Done():
		case <-time.After(10 * time.Second):
			t.Errorf("the %s connection was closed, and the other one stands", which)
		}
		if _, err := s.Beside(context.Background(), &ignore{}); which == "first" && !errors.Is(err, coordinator.ErrClosed) {
			t.Errorf("a session that is closed opens another one beside it: %v; want ErrClosed", err)
		}
	}
}
