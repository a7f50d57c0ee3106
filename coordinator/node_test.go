package coordinator_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local is a running side that does at once what it is told.
type local struct {
	mu    sync.Mutex
	view  uint64
	told  map[string]protocol.Assignment
	until int64
	lost  int // how often trust was taken away
	held  bool
	on    func()
}

func (l *local) Assign(view uint64, changes []protocol.Assignment, reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reset {
		l.told = map[string]protocol.Assignment{}
	}
	if !l.held {
		l.view = view
	}
	for _, a := range changes {
		if a.Assigned {
			l.told[a.Child] = a
		} else {
			delete(l.told, a.Child)
		}
	}
	l.on()
}

func (*local) Members(protocol.Incarnation, []protocol.Incarnation) {}

func (l *local) Trust(until int64, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until > time.Now().UnixNano() && until == 0 {
		l.lost++
	}
	l.until = until
}

func (l *local) losses() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *local) Report() protocol.Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return protocol.Report{Settled: l.view, Children: len(l.told)}
}

// hold has the running side settle nothing from now on.
func (l *local) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

func (l *local) trusted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until > time.Now().UnixNano()
}

func (l *local) children() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.told))
}

// node is a coordinator over sessions in memory.
type node struct {
	*coordinator.Coordinator
	nats   *inmem.NATS
	keys   *coordinator.Keys
	name   string
	local  *local
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu       sync.Mutex
	sessions []*inmem.Session
	opened   []time.Time
	wrap     func(*inmem.Session) coordinator.Session
	refuse   error // what open answers
}

type option func(*node, *coordinator.Config)

func want(c protocol.Config) option {
	return func(_ *node, cfg *coordinator.Config) { cfg.Want = c }
}

func wrapped(f func(*inmem.Session) coordinator.Session) option {
	return func(n *node, _ *coordinator.Config) { n.wrap = f }
}

func refusing(err error) option { return func(n *node, _ *coordinator.Config) { n.refuse = err } }

// start runs a node until the test's end.
func start(t *testing.T, nats *inmem.NATS, name string, options ...option) *node {
	t.Helper()
	n := &node{nats: nats, name: name, local: &local{told: map[string]protocol.Assignment{}}, done: make(chan struct{})}
	cfg := coordinator.Config{
		Hub: "h", Node: name, Local: n.local, Logger: slog.New(slog.DiscardHandler),
		Keys: coordinator.NewKeys(rand.Reader),
		Now:  func() int64 { return time.Now().UnixNano() },
	}
	for _, o := range options {
		o(n, &cfg)
	}
	n.keys = cfg.Keys.(*coordinator.Keys)
	n.Coordinator = coordinator.New(cfg)
	n.local.on = n.Changed
	ctx, cancel := context.WithCancel(t.Context())
	n.cancel = cancel
	go func() {
		defer close(n.done)
		n.err = n.Run(ctx, n.open)
		n.close()
	}()
	t.Cleanup(func() { cancel(); <-n.done })
	return n
}

func (n *node) open(context.Context) (coordinator.Session, error) {
	n.close()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, time.Now())
	if n.refuse != nil {
		return nil, n.refuse
	}
	s := n.nats.Open(inmem.Config{Hub: "h", Node: n.name, Keys: n.keys})
	n.sessions = append(n.sessions, s)
	if n.wrap != nil {
		return n.wrap(s), nil
	}
	return s, nil
}

// close closes the last session, and all before it.
func (n *node) close() {
	n.mu.Lock()
	all := slices.Clone(n.sessions)
	n.mu.Unlock()
	for _, s := range all {
		s.Close()
	}
}

func (n *node) session() *inmem.Session {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.sessions) == 0 {
		return nil
	}
	return n.sessions[len(n.sessions)-1]
}

func (n *node) openings() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.opened)
}

// crash ends a node without a word.
func (n *node) crash() {
	n.cancel()
	<-n.done
}

func (n *node) leave(t *testing.T) {
	t.Helper()
	n.Leave()
	<-n.done
	if n.err != nil {
		t.Fatalf("leave: %v", n.err)
	}
}

// hub starts nodes one after the other, and waits until all are members.
func hub(t *testing.T, nats *inmem.NATS, names ...string) []*node {
	t.Helper()
	nodes := make([]*node, 0, len(names))
	for _, name := range names {
		n := start(t, nats, name)
		<-n.Admitted()
		nodes = append(nodes, n)
	}
	wait(time.Second)
	return nodes
}

// wait lets (fake) time pass, and what follows happen.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// control sends a control request as a plain client does.
func control(t *testing.T, nats *inmem.NATS, verb string, req, resp any) (inmem.Msg, error) {
	t.Helper()
	data, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m, err := nats.Request(ctx, protocol.SubjectsOf("h").Control(verb), nil, data)
	if err == nil && resp != nil {
		err = json.Unmarshal(m.Data, resp)
	}
	return m, err
}

func startChild(t *testing.T, nats *inmem.NATS, child string) protocol.ChildResult {
	t.Helper()
	var r protocol.StartResponse
	spec := protocol.Spec{Child: child, Kind: "echo", Redundancy: protocol.Redundancy{Factor: 2, Model: protocol.ActivePassive}}
	if m, err := control(t, nats, protocol.VerbStart, protocol.StartRequest{Children: []protocol.Spec{spec}}, &r); err != nil || len(r.Results) != 1 {
		t.Fatalf("start %s: %v, answer %+v", child, err, m)
	}
	return r.Results[0]
}

// coordinators returns the names of the nodes that hold the role.
func coordinators(nodes []*node) []string {
	var names []string
	for _, n := range nodes {
		if n.Status().Coordinator {
			names = append(names, n.name)
		}
	}
	return names
}

func problem(err error) *protocol.Problem {
	var p *protocol.Problem
	if !errors.As(err, &p) {
		return nil
	}
	return p
}
