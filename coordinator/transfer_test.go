package coordinator_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/inmem"
)

// duck is a session whose server can be said to shut down.
type duck struct {
	*inmem.Session
	n      *node
	ending chan struct{}

	mu      sync.Mutex
	fails   int  // so often no second session can be opened
	stuck   bool // the running side does not come to an end with its change
	parted  bool //
	second  *inmem.Session
	retired chan struct{}
}

func newDuck(n *node, s *inmem.Session) *duck {
	return &duck{Session: s, n: n, ending: make(chan struct{}), retired: make(chan struct{})}
}

// ducks has a node's sessions be ducks, and the first one as change leaves it.
func ducks(first **duck, change func(*duck)) option {
	return func(n *node, _ *coordinator.Config) {
		n.wrap = func(s *inmem.Session) coordinator.Session {
			d := newDuck(n, s)
			if *first == nil {
				*first = d
				change(d)
			}
			return d
		}
	}
}

func (d *duck) Ending() <-chan struct{} { return d.ending }

func (d *duck) Beside(ctx context.Context, h coordinator.Handler) (coordinator.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails > 0 {
		d.fails--
		return nil, errors.New("no other server")
	}
	d.second = d.n.nats.Open(inmem.Config{Hub: "h", Node: d.n.name, Keys: d.n.keys, Server: "S2"})
	d.n.mu.Lock()
	d.n.sessions = append(d.n.sessions, d.second)
	d.n.mu.Unlock()
	return newDuck(d.n, d.second), d.second.Serve(ctx, h)
}

func (d *duck) Carry(ctx context.Context) error {
	if d.stuck {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (d *duck) Part() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.parted = true
}

func (d *duck) Retire(context.Context) {
	d.Close()
	close(d.retired)
}

// A node whose server shuts down goes to another one: the coordinator, and a member. Neither loses its trust, and the hub decides nothing.
func TestRun_GoesToAnotherServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		var nodes []*node
		first := make([]*duck, 3)
		for i, name := range []string{"node1", "node2", "node3"} {
			nodes = append(nodes, start(t, nats, name, ducks(&first[i], func(d *duck) { d.fails = 3 })))
			<-nodes[i].Admitted()
		}
		startChild(t, nats, "child1")
		wait(time.Second)
		before := nodes[0].Status()
		for i, d := range first[:2] {
			lost := nodes[i].local.losses()
			close(d.ending)
			<-d.retired
			if !d.parted {
				t.Errorf("%s retired a session with which the second one would end", nodes[i].name)
			}
			wait(5 * time.Second)
			if s := nodes[i].Status(); !s.Connected || !s.Member || s.View != before.View || s.Incarnation.Node != nodes[i].name || len(nodes[i].openings()) != 1 {
				t.Errorf("%s afterwards: %+v; %d sessions were opened alone", nodes[i].name, s, len(nodes[i].openings()))
			}
			if n := nodes[i].local.losses(); n != lost || !nodes[i].local.trusted() {
				t.Errorf("%s lost its trust %d times", nodes[i].name, n-lost)
			}
		}
		if r := startChild(t, nats, "child2"); r.Error != nil { // the coordinator hears over its new connection
			t.Errorf("start: %+v", r)
		}
		nodes[0].crash()
		wait(time.Second)
		if got := coordinators(nodes[1:]); len(got) != 1 {
			t.Errorf("coordinators after the first died over its new connection: %v", got)
		}
	})
}

// A node on its way from one session to another, one of which ends, has lost its connection.
func TestRun_NeedsBothSessions(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"first", "second"} {
		synctest.Test(t, func(t *testing.T) {
			nats := inmem.New()
			var first, none *duck
			n := start(t, nats, "node1", ducks(&first, func(d *duck) { d.stuck = true }))
			<-n.Admitted()
			start(t, nats, "node2", ducks(&none, func(*duck) {}))
			wait(time.Second)
			close(first.ending)
			wait(time.Second)
			lost := n.local.losses()
			if which == "first" {
				nats.Cut(first.Session)
			} else {
				nats.Cut(first.second)
			}
			wait(400 * time.Millisecond)
			if got := n.local.losses(); got == lost || len(n.openings()) != 2 {
				t.Errorf("the %s session was cut: trust was lost %d times, and %d sessions were opened; want 1 and 2", which, got-lost, len(n.openings()))
			}
		})
	}
}
