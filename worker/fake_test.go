package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus is a NATS in memory: a queue group per child.
type bus struct {
	mu    sync.Mutex
	nodes map[string]*port
	rnd   *rand.Rand
}

func newBus() *bus { return &bus{nodes: map[string]*port{}, rnd: rand.New(rand.NewPCG(1, 2))} }

// port is one node's transport on the bus.
type port struct {
	b       *bus
	node    string
	h       worker.Handler
	open    map[string]bool
	opens   atomic.Int32
	failing int // how many Opens fail
	spread  time.Duration
	max     int
}

func (b *bus) port(node string) *port {
	return &port{b: b, node: node, open: map[string]bool{}, max: 1 << 20}
}

func (p *port) Serve(h worker.Handler) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.h = h
	p.b.nodes[p.node] = p
	return nil
}

func (p *port) Open(_ context.Context, children []protocol.Interest) error {
	names := make([]string, len(children))
	for i, c := range children {
		names[i] = c.Child
	}
	return p.set(names, true)
}

func (p *port) Close(_ context.Context, children []string) error { return p.set(children, false) }

func (p *port) set(children []string, open bool) error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if open {
		p.opens.Add(1)
		if p.failing > 0 {
			p.failing--
			return errors.New("no route")
		}
	}
	for _, c := range children {
		if open {
			p.open[c] = true
		} else {
			delete(p.open, c)
		}
	}
	return nil
}

func (p *port) AskRelease(ctx context.Context, node string, r protocol.ReleaseRequest) (protocol.ReleaseAnswer, error) {
	p.b.mu.Lock()
	other := p.b.nodes[node]
	p.b.mu.Unlock()
	if other == nil {
		return protocol.ReleaseAnswer{}, errors.New("no responders")
	}
	c := make(chan protocol.ReleaseAnswer, 1)
	other.h.Release(r, func(a protocol.ReleaseAnswer) { c <- a })
	select {
	case a := <-c:
		return a, nil
	case <-ctx.Done():
		return protocol.ReleaseAnswer{}, ctx.Err()
	}
}

func (p *port) Spread() time.Duration { return p.spread }

func (p *port) MaxPayload() int { return p.max }

func (p *port) isOpen(child string) bool {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.open[child]
}

type reply struct {
	header map[string][]string
	data   []byte
}

func (r reply) code() int {
	if v := r.header[protocol.HeaderErrorCode]; len(v) > 0 {
		n, _ := strconv.Atoi(v[0])
		return n
	}
	return 200
}

func (r reply) get(key string) string {
	if v := r.header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

type replier chan reply

// Reply refuses names of headers with a blank, as NATS does.
func (c replier) Reply(h map[string][]string, data []byte) error {
	for name := range h {
		if strings.Contains(name, " ") {
			return fmt.Errorf("header %q: refused", name)
		}
	}
	c <- reply{h, data}
	return nil
}

// send gives a request to one of those who have the child open. Nobody: a reply with code 0.
func (b *bus) send(child, data string) <-chan reply {
	c := make(replier, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	var takers []*port
	for _, p := range b.nodes {
		if p.open[child] {
			takers = append(takers, p)
		}
	}
	if len(takers) == 0 {
		c <- reply{header: map[string][]string{protocol.HeaderErrorCode: {"0"}}}
		return c
	}
	p := takers[b.rnd.IntN(len(takers))]
	p.h.Request(&worker.Incoming{Child: child, Data: []byte(data), Reply: c})
	return c
}

// force gives a request to a node, open or not.
func (p *port) force(child, data string) reply {
	c := make(replier, 1)
	p.h.Request(&worker.Incoming{Child: child, Data: []byte(data), Reply: c})
	return <-c
}

// node is a host with its port, under test.
type node struct {
	*worker.Host
	*port
	now func() int64
}

func newNode(t *testing.T, b *bus, name string, kinds map[string]worker.Kind, change ...func(*worker.Config)) *node {
	t.Helper()
	start := time.Now()
	now := func() int64 { return int64(time.Since(start)) }
	c := worker.Config{Hub: "h", Node: name, Kinds: kinds, Now: now, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&c)
	}
	n := &node{worker.New(c), b.port(name), now}
	n.Members(incarnation(name), members)
	if err := n.Attach(n.port); err != nil {
		t.Fatal(err)
	}
	return n
}

// members are n0 to n9.
var members = func() (all []protocol.Incarnation) {
	for i := range 10 {
		all = append(all, incarnation(fmt.Sprintf("n%d", i)))
	}
	return all
}()

func incarnation(node string) protocol.Incarnation {
	return protocol.Incarnation{Node: node, ID: node + "-1"}
}

// asks is a request for release by n2.
func asks(children ...protocol.Release) protocol.ReleaseRequest {
	return protocol.ReleaseRequest{V: 1, From: "n2", ID: incarnation("n2").ID, Children: children}
}

func (n *node) trust(d time.Duration) { n.Trust(n.now()+int64(d), "test") }

// stop stops the host within a minute, which is enough for any worker that minds its context.
func (n *node) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Error(err)
	}
}

type option func(*protocol.Assignment)

func after(nodes ...string) option { return func(a *protocol.Assignment) { a.After = nodes } }
func epoch(e uint64) option        { return func(a *protocol.Assignment) { a.Epoch = e } }
func spec(f func(*protocol.Spec)) option {
	return func(a *protocol.Assignment) { f(a.Spec) }
}
func revision(r uint64) option { return func(a *protocol.Assignment) { a.SpecRev = r } }

func assign(child string, view uint64, m protocol.Mode, options ...option) protocol.Assignment {
	s := protocol.Spec{Child: child, Kind: "test", Redundancy: protocol.Redundancy{Signal: protocol.SignalAll}}.WithDefaults(protocol.Redundancy{})
	a := protocol.Assignment{Child: child, View: view, Assigned: true, Spec: &s, SpecRev: 1, Mode: m, Epoch: view, Reason: "test"}
	for _, o := range options {
		o(&a)
	}
	return a
}

func active(child string, view uint64, o ...option) protocol.Assignment {
	return assign(child, view, protocol.Active, o...)
}

func passive(child string, view uint64, o ...option) protocol.Assignment {
	return assign(child, view, protocol.Passive, o...)
}

func none(child string, view uint64) protocol.Assignment {
	return protocol.Assignment{Child: child, View: view}
}

func (n *node) assign(view uint64, a ...protocol.Assignment) { n.Assign(view, a, false) }

func kindOf(w worker.Worker) map[string]worker.Kind {
	return map[string]worker.Kind{"test": func(worker.Replica) (worker.Worker, error) { return w, nil }}
}

func echo() map[string]worker.Kind {
	return kindOf(worker.HandlerFunc(func(_ context.Context, r *worker.Request) ([]byte, error) { return r.Data, nil }))
}

// release asks the node to let go of a child.
func (n *node) release(t *testing.T, child string, view uint64) {
	t.Helper()
	n.h.Release(asks(protocol.Release{Child: child, View: view}), func(protocol.ReleaseAnswer) {})
}
