package porttest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

func requestsReachOpenChildren(t *testing.T, s *setup) {
	p := s.serve("a", echo("a")).Transport()
	ask := func(child string) (Reply, error) {
		return s.try(s.subjects.Request(child), []byte("hi"))
	}
	if _, err := ask("x.1"); !errors.Is(err, coordinator.ErrNoResponders) {
		t.Errorf("request to a child that is not open: %v, want ErrNoResponders", err)
	}
	for range 2 {
		s.must(p.Open(s.ctx, interests("x.1", "y")))
		s.must(p.Open(s.ctx, interests("x.1")))
		s.eventually("x.1 answers", func() bool {
			got, err := ask("x.1")
			return err == nil && string(got.Data) == "hi" && slices.Equal(got.Header[protocol.HeaderNode], []string{"a"})
		})
		s.must(p.Close(s.ctx, []string{"x.1", "never opened"}))
		s.eventually("x.1 is closed", func() bool { _, err := ask("x.1"); return errors.Is(err, coordinator.ErrNoResponders) })
		s.ask(s.subjects.Request("y"), nil)
	}
	s.must(p.Close(s.ctx, nil))
}

func requestsStayInOrder(t *testing.T, s *setup) {
	const n = 500
	var mu sync.Mutex
	var got []string
	p := s.serve("a", func(r *worker.Incoming) {
		mu.Lock()
		defer mu.Unlock()
		if r.Child != "c" || r.Reply != nil {
			t.Errorf("request to %q, reply %v", r.Child, r.Reply)
		}
		got = append(got, string(r.Data))
	}).Transport()
	s.must(p.Open(s.ctx, interests("c")))
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	s.eventually("the interest is known everywhere", func() bool {
		s.sys.Publish(s, s.subjects.Request("c"), []byte("first"))
		mu.Lock()
		defer mu.Unlock()
		return len(got) > 0
	})
	for _, w := range want {
		s.sys.Publish(s, s.subjects.Request("c"), []byte(w))
	}
	s.eventually("all have arrived", func() bool { mu.Lock(); defer mu.Unlock(); return got[len(got)-1] == want[n-1] })
	mu.Lock()
	defer mu.Unlock()
	got = slices.DeleteFunc(got, func(s string) bool { return s == "first" })
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// handoverLosesAndDoublesNone moves a child to and fro between two nodes, each time opening it there
// before it is closed here, while clients ask all the time. The successor asks for the release between
// the two, as nodes do: when that arrives, the old one's server knows of the new interest, and hands on
// what still comes to it. What a server had begun to deliver before that is awaited by letting every
// client ask once more.
func handoverLosesAndDoublesNone(t *testing.T, s *setup) {
	const clients, moves = 8, 20
	var served atomic.Int64
	serve := func(node string) worker.Transport {
		answer := echo(node)
		return s.serve(node, func(r *worker.Incoming) { served.Add(1); answer(r) }).Transport()
	}
	from, to := serve("a"), serve("b")
	node := map[worker.Transport]string{from: "a", to: "b"}
	child := []string{"c"}
	s.must(from.Open(s.ctx, interests(child...)))
	s.ask(s.subjects.Request("c"), nil)
	before := served.Load()
	load := s.startLoad(clients, s.subjects.Request("c"))
	for range moves {
		s.must(to.Open(s.ctx, interests(child...)))
		_, err := to.AskRelease(s.ctx, node[from], protocol.ReleaseRequest{V: 1, From: node[to], ID: incarnation(node[to]).ID})
		s.must(err)
		load.goOn()
		s.must(from.Close(s.ctx, child))
		from, to = to, from
		load.goOn()
	}
	want := load.end()
	if got := served.Load() - before; got != want {
		t.Errorf("%d requests were served of %d", got, want)
	}
}

func manyChildren(t *testing.T, s *setup) {
	const n = 2000
	p := s.serve("a", echo("a")).Transport()
	var all []string
	for i := range n {
		all = append(all, key(i))
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(all, n/4) {
		wg.Go(func() {
			if err := p.Open(s.ctx, interests(part...)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.eventually("the last answers", func() bool {
		_, err := s.try(s.subjects.Request(all[n-1]), nil)
		return err == nil
	})
	s.must(p.Close(s.ctx, all[1:]))
	s.eventually("the last is closed", func() bool {
		_, err := s.try(s.subjects.Request(all[n-1]), nil)
		return errors.Is(err, coordinator.ErrNoResponders)
	})
	s.ask(s.subjects.Request(all[0]), nil)
}

func releaseIsAnswered(t *testing.T, s *setup) {
	s.serve("a", echo("a"))
	b := s.serve("b", echo("b")).Transport()
	req := protocol.ReleaseRequest{V: 1, From: "b", ID: incarnation("b").ID, Children: []protocol.Release{{Child: "x", View: 1}, {Child: "y", View: 1}}}
	s.eventually("the release is answered", func() bool {
		got, err := b.AskRelease(s.ctx, "a", req)
		return err == nil && slices.Equal(got.Released, []string{"x", "y"})
	})
	if _, err := b.AskRelease(s.ctx, "nobody", req); !errors.Is(err, coordinator.ErrNoResponders) {
		t.Errorf("release by a node that is not there: %v, want ErrNoResponders", err)
	}
}

func repliesHaveALimit(t *testing.T, s *setup) {
	replied := make(chan error, 10)
	var limit atomic.Int64
	p := s.serve("a", func(r *worker.Incoming) {
		if r.Reply == nil {
			return
		}
		replied <- r.Reply.Reply(nil, make([]byte, limit.Load()+1))
		_ = r.Reply.Reply(nil, make([]byte, limit.Load())) // the asker would miss it
	}).Transport()
	limit.Store(int64(p.MaxPayload()))
	s.must(p.Open(s.ctx, interests("c")))
	var got Reply
	s.eventually("the child answers", func() bool {
		var err error
		got, err = s.sys.Request(s.ctx, s.subjects.Request("c"), nil)
		return err == nil
	})
	if err := <-replied; err == nil || errors.Is(err, coordinator.ErrClosed) {
		t.Errorf("reply over the limit: %v", err)
	}
	if len(got.Data) != p.MaxPayload() {
		t.Errorf("reply of %d bytes, want %d", len(got.Data), p.MaxPayload())
	}
}

func closedSessionsSaySo(t *testing.T, s *setup) {
	a, _ := s.open("a")
	p := a.Transport()
	s.must(p.Serve(running{"a", echo("a")}))
	s.must(p.Open(s.ctx, interests("c")))
	a.Close()
	a.Close()
	select {
	case <-a.Done():
	default:
		t.Error("a closed session is not done")
	}
	for name, f := range map[string]func() error{
		"Commit":     func() error { _, err := a.Commit(s.ctx, []view.Write{{Key: "k"}}); return err },
		"Batch":      func() error { _, err := a.Commit(s.ctx, []view.Write{{Key: "k"}, {Key: "l"}}); return err },
		"WriteSpecs": func() error { _, err := a.WriteSpecs(s.ctx, []view.Write{{Key: "k"}}); return err },
		"WriteNode": func() error {
			_, err := a.WriteNode(s.ctx, protocol.NodeRecord{Incarnation: incarnation("a")}, 0)
			return err
		},
		"DropNode":  func() error { _, err := a.DropNode(s.ctx, "k", 1); return err },
		"ReadKey":   func() error { _, err := a.ReadKey(s.ctx, placement, "k"); return err },
		"Since":     func() error { _, _, err := a.Since(s.ctx, placement, 0); return err },
		"Beat":      func() error { _, err := a.Beat(s.ctx, protocol.Beat{Incarnation: incarnation("a")}); return err },
		"Probe":     func() error { return a.Probe("b") },
		"Wake":      func() error { return a.Wake("b") },
		"Connected": func() error { _, err := a.Connected(s.ctx, a.Conn()); return err },
		"Announce":  func() error { return a.Announce([]coordinator.Message{{Subject: "x"}}) },
		"Lead":      func() error { return a.Lead(s.ctx, true) },
		"Open":      func() error { return p.Open(s.ctx, interests("d")) },
		"Close":     func() error { return p.Close(s.ctx, []string{"c"}) },
		"AskRelease": func() error {
			_, err := p.AskRelease(s.ctx, "b", protocol.ReleaseRequest{V: 1, From: "a", ID: incarnation("a").ID})
			return err
		},
	} {
		if err := f(); !errors.Is(err, coordinator.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

// interests returns what takes requests of children, all in one queue group.
func interests(children ...string) []protocol.Interest {
	all := make([]protocol.Interest, len(children))
	for i, child := range children {
		all[i] = protocol.Interest{Child: child, Group: 7}
	}
	return all
}
