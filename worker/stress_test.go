package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// guard is shared by all replicas of all nodes: it sees who serves which child when.
type guard struct {
	mu      sync.Mutex
	serving map[string]string // child to the node in whose handler it is
	epochs  map[string]uint64
	faults  []string
	served  atomic.Int64
	doors   map[string]func() bool // by node: may it serve at all
}

func (g *guard) enter(r *worker.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if by := g.serving[r.Child]; by != "" {
		g.faults = append(g.faults, fmt.Sprintf("%s: %s serves while %s does", r.Child, r.Node, by))
	}
	if r.Epoch < g.epochs[r.Child] {
		g.faults = append(g.faults, fmt.Sprintf("%s: %s serves in epoch %d after %d", r.Child, r.Node, r.Epoch, g.epochs[r.Child]))
	}
	if !g.doors[r.Node]() {
		g.faults = append(g.faults, fmt.Sprintf("%s: %s serves without trust", r.Child, r.Node))
	}
	g.serving[r.Child], g.epochs[r.Child] = r.Node, r.Epoch
}

func (g *guard) leave(child string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.serving, child)
	g.served.Add(1)
}

// guarded is a worker that takes some time, and panics now and then.
type guarded struct{ g *guard }

func (w guarded) Handle(ctx context.Context, r *worker.Request) ([]byte, error) {
	w.g.enter(r)
	defer w.g.leave(r.Child)
	done := ctx.Done()
	if r.Data[0]%2 == 0 {
		done = nil // it does not care that it is cancelled, for a while
	}
	select {
	case <-time.After(time.Duration(r.Data[0]) * 100 * time.Microsecond):
	case <-done:
	}
	if r.Data[0] == 255 {
		panic("stress")
	}
	return nil, ctx.Err()
}

// TestHost_StressOneActive moves children between three nodes by planned handovers, withholds trust
// and sends requests all the time. In planned change there is never more than one handler of a child,
// epochs only grow, and nobody serves without trust.
func TestHost_StressOneActive(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newStress(t, seed).run() })
		})
	}
}

type stress struct {
	t        *testing.T
	rnd      *rand.Rand
	b        *bus
	g        *guard
	nodes    []*node
	until    []*atomic.Int64
	at       map[string]int // the node that is active, or is to be
	view     uint64
	children []string
}

func newStress(t *testing.T, seed uint64) *stress {
	t.Helper()
	s := &stress{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), b: newBus(), at: map[string]int{}}
	s.g = &guard{serving: map[string]string{}, epochs: map[string]uint64{}, doors: map[string]func() bool{}}
	for i := range 3 {
		n := newNode(t, s.b, fmt.Sprintf("n%d", i), kindOf(guarded{s.g}))
		until := &atomic.Int64{}
		s.g.doors[n.node] = func() bool { return n.now() < until.Load() }
		s.nodes, s.until = append(s.nodes, n), append(s.until, until)
		s.trust(i, time.Second)
	}
	for i := range 4 {
		s.children = append(s.children, fmt.Sprintf("c%d", i))
	}
	return s
}

func (s *stress) trust(i int, d time.Duration) {
	until := s.nodes[i].now() + int64(d)
	s.until[i].Store(until) // before the host may use it
	s.nodes[i].Trust(until, "stress")
}

// run does a thousand random things, then lets all come to rest, and looks whether everything serves.
func (s *stress) run() {
	for _, c := range s.children {
		s.move(c, 0)
	}
	for range 1000 {
		s.act()
		time.Sleep(time.Duration(s.rnd.IntN(20)) * time.Millisecond)
	}
	for range 200 {
		s.renew(1)
		time.Sleep(200 * time.Millisecond)
	}
	s.check()
	for _, n := range s.nodes {
		n.stop(s.t)
	}
}

func (s *stress) act() {
	child := s.children[s.rnd.IntN(len(s.children))]
	switch s.rnd.IntN(40) {
	case 0, 1, 2:
		s.move(child, s.rnd.IntN(3))
	case 3:
		i := s.rnd.IntN(3)
		s.until[i].Store(s.nodes[i].now())
		s.nodes[i].Trust(0, "stress")
	default:
		s.renew(s.rnd.Float64())
		s.b.send(child, string([]byte{byte(s.rnd.IntN(256))}))
	}
}

func (s *stress) renew(p float64) {
	for i := range s.nodes {
		if s.rnd.Float64() < p {
			s.trust(i, time.Second)
		}
	}
}

// move makes a node active for the child, after all others, in one committed view; the nodes learn of
// it in any order.
func (s *stress) move(child string, to int) {
	s.view++
	s.at[child] = to
	var others []string
	for i, n := range s.nodes {
		if i != to {
			others = append(others, n.node)
		}
	}
	for _, i := range s.rnd.Perm(len(s.nodes)) {
		a := passive(child, s.view, spec(lasting))
		if i == to {
			a = active(child, s.view, spec(lasting), after(others...))
		}
		s.nodes[i].assign(s.view, a)
		if s.rnd.IntN(2) == 0 {
			time.Sleep(time.Duration(s.rnd.IntN(300)) * time.Millisecond)
		}
	}
}

func lasting(s *protocol.Spec) { s.Restart.Max = 1_000_000 }

func (s *stress) check() {
	s.t.Helper()
	for _, f := range s.g.faults {
		s.t.Error(f)
	}
	for _, c := range s.children {
		r := <-s.b.send(c, "\x01")
		if r.code() != 200 || r.get(protocol.HeaderNode) != s.nodes[s.at[c]].node {
			s.t.Errorf("%s at the end: %d %v", c, r.code(), r.header)
		}
	}
	for _, n := range s.nodes {
		if r := n.Report(); r.Settled != s.view || len(r.Waiting)+len(r.Failed) > 0 {
			s.t.Errorf("%s at the end: %+v of view %d: %+v", n.node, r, s.view, n.Replicas())
		}
	}
	if s.g.served.Load() < 100 {
		s.t.Errorf("only %d requests were served", s.g.served.Load())
	}
}
