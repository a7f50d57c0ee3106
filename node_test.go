package phub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// testHub is a hub of nodes in this process, on an embedded NATS.
type testHub struct {
	t      *testing.T
	name   string
	url    string
	client *phub.Client

	mu    sync.Mutex
	nodes map[string]*phub.Node
}

func newTestHub(t *testing.T, url string) *testHub {
	t.Helper()
	client, err := phub.NewClient(natstest.Connect(t, url), "my_hub")
	if err != nil {
		t.Fatal(err)
	}
	return &testHub{t: t, name: "my_hub", url: url, client: client, nodes: map[string]*phub.Node{}}
}

// testLog writes what nodes log to the test's own log.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Helper()
	l.t.Logf("%s", p)
	return len(p), nil
}

func (h *testHub) options(name string) phub.Options {
	return phub.Options{
		Hub: h.name, Name: name, URL: h.url,
		Kinds:  map[string]phub.Kind{"who": who, "broken": broken},
		Logger: slog.New(slog.NewTextHandler(testLog{h.t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

// who answers each request with the node that it runs on and the epoch.
func who(r phub.Replica) (phub.Worker, error) {
	return phub.HandlerFunc(func(_ context.Context, m *phub.Message) ([]byte, error) {
		return fmt.Appendf(nil, "%s %d %s", r.Node, m.Epoch, m.Data), nil
	}), nil
}

func broken(phub.Replica) (phub.Worker, error) { return nil, fmt.Errorf("out of order") }

func (h *testHub) join(names ...string) {
	h.t.Helper()
	for _, name := range names {
		h.joinWith(h.options(name))
	}
}

func (h *testHub) joinWith(o phub.Options) {
	h.t.Helper()
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.nodes[o.Name] = n
	h.mu.Unlock()
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := n.Leave(ctx); err != nil {
			h.t.Errorf("leave %s: %v", o.Name, err)
		}
	})
}

func (h *testHub) ctx(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	h.t.Cleanup(cancel)
	return ctx
}

func (h *testHub) start(specs ...phub.Spec) []phub.ChildResult {
	h.t.Helper()
	results, err := h.client.Start(h.ctx(20*time.Second), specs, nil)
	if _, ok := errors.AsType[*phub.ChildrenError](err); err != nil && !ok { // the callers look at the results
		h.t.Fatal(err)
	}
	return results
}

// eventually waits for a condition that must come true.
func (h *testHub) eventually(what string, cond func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			h.t.Fatalf("not within 20s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func pair(child string) phub.Spec {
	return phub.Spec{Child: child, Kind: "who", Redundancy: phub.Redundancy{
		Strategy: phub.Replication, Factor: 2, Model: phub.ActivePassive, Signal: phub.SignalAll,
	}}
}

func TestHub_ChildWithTwoReplicasAnswersOnItsActiveNode(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2", "node3")
	res := h.start(pair("child1"))[0]
	if res.Error != nil || len(res.Replicas) != 2 {
		t.Fatalf("found %+v, expected two replicas", res)
	}
	active := res.Replicas[0]
	reply, err := h.client.Request(h.ctx(5*time.Second), "child1", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%s %d hello", active.Node, active.Epoch); string(reply.Data) != want || reply.Node != active.Node {
		t.Fatalf("found %q by %s, expected %q", reply.Data, reply.Node, want)
	}
}

func TestHub_LeaveMovesTheActiveReplica(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2", "node3")
	active := h.start(pair("child1"))[0].Replicas[0]
	if err := h.nodes[active.Node].Leave(h.ctx(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reply, err := h.client.Request(h.ctx(5*time.Second), "child1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if reply.Node == active.Node || reply.Epoch <= active.Epoch {
		t.Fatalf("found %s in epoch %d, expected another node than %s in an epoch after %d", reply.Node, reply.Epoch, active.Node, active.Epoch)
	}
	h.eventually("two replicas again", func() bool {
		info, err := h.client.Info(h.ctx(5*time.Second), "child1")
		return err == nil && len(info.Replicas) == 2 && info.Replicas[1].State == "running"
	})
}

// flaky fails in its background work: always, or once.
type flaky struct {
	phub.HandlerFunc
	runs  *atomic.Int32
	often int32
}

func (f flaky) Run(ctx context.Context) error {
	if f.runs.Add(1) <= f.often {
		return errors.New("no disk")
	}
	<-ctx.Done()
	return nil
}

// The worker starts, and ends right after that: its start is no success. One that was restarted leaves a trace.
func TestHub_WorkersThatEndAreTold(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	o := h.options("node1")
	for kind, often := range map[string]int32{"ends": 1 << 30, "once": 1} {
		runs := new(atomic.Int32)
		o.Kinds[kind] = func(phub.Replica) (phub.Worker, error) { return flaky{runs: runs, often: often}, nil }
	}
	h.joinWith(o)
	if r := h.start(phub.Spec{Child: "a", Kind: "ends"})[0]; r.Error == nil || !strings.Contains(r.Error.Message, "given up after 5 restarts within 10s: no disk") {
		t.Errorf("found %+v, expected that it does not run", r)
	}
	if r := h.start(phub.Spec{Child: "b", Kind: "once"})[0]; r.Error != nil {
		t.Errorf("found %v, expected that it runs the second time", r.Error)
	}
	h.eventually("the restart is told", func() bool {
		info, err := h.client.Info(h.ctx(5*time.Second), "b")
		return err == nil && len(info.Replicas) == 1 && info.Replicas[0].Restarts == 1 && info.Replicas[0].LastError == "no disk" && info.Replicas[0].Since != ""
	})
}

// Of two nodes only one runs a kind. The other one is never tried, and a kind that nobody runs is answered at once.
func TestHub_AChildGoesToNodesThatRunItsKind(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1")
	o := h.options("node2")
	o.Kinds["special"] = who
	h.joinWith(o)
	var specs []phub.Spec
	for i := range 10 {
		specs = append(specs, phub.Spec{Child: fmt.Sprint("c", i), Kind: "special"})
	}
	for _, r := range h.start(specs...) {
		if r.Error != nil || len(r.Replicas) != 1 || r.Replicas[0].Node != "node2" {
			t.Errorf("found %+v, expected it on node2 only", r)
		}
	}
	st, err := h.client.Status(h.ctx(5 * time.Second))
	if err != nil || st.Failed != 0 {
		t.Errorf("found %+v, %v, expected that nobody gave one up", st, err)
	}
	r := h.start(phub.Spec{Child: "rare", Kind: "rare"})[0]
	if want := `no node runs kind "rare"; the hub's nodes run: broken, special, who`; r.Error == nil || !strings.Contains(r.Error.Message, want) {
		t.Errorf("found %v, expected %q", r.Error, want)
	}
	nodes, err := h.client.Nodes(h.ctx(5 * time.Second))
	if err != nil || len(nodes.Nodes) != 2 || !slices.Equal(nodes.Nodes[0].Kinds, []string{"broken", "who"}) || !slices.Equal(nodes.Nodes[1].Kinds, []string{"broken", "special", "who"}) {
		t.Errorf("found %+v, %v", nodes, err)
	}
	o = h.options("node3")
	o.Kinds["rare"] = who
	h.joinWith(o)
	h.eventually("the child runs where its kind is", func() bool {
		info, err := h.client.Info(h.ctx(5*time.Second), "rare")
		return err == nil && len(info.Replicas) == 1 && info.Replicas[0].Node == "node3" && info.Replicas[0].State == protocol.Running
	})
}

// listener wants to know its mode.
type listener struct{ phub.HandlerFunc }

func (listener) ModeChanged(context.Context, phub.ModeChange) {}

// Whoever starts a child whose worker will wait for changes of its mode in vain hears of it from the start's answer. And
// of each replica it is told since when it runs, restarted or not.
func TestHub_AWorkerThatIsNeverToldItsModeIsNoticed(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	o := h.options("node1")
	o.Kinds["listener"] = func(phub.Replica) (phub.Worker, error) {
		return listener{func(context.Context, *phub.Message) ([]byte, error) { return nil, nil }}, nil
	}
	h.joinWith(o)
	began := time.Now().Add(-time.Second)
	r := h.start(phub.Spec{Child: "a", Kind: "listener"})[0]
	if want := "its worker has ModeChanged, which is never called: the child's redundancy_signal is none; start it with all, active or passive"; r.Error != nil ||
		len(r.Replicas) != 1 || r.Replicas[0].Notice != want {
		t.Errorf("found %+v, expected the notice %q", r, want)
	}
	for _, s := range []phub.Spec{{Child: "b", Kind: "listener", Redundancy: phub.Redundancy{Signal: phub.SignalActive}}, {Child: "c", Kind: "who"}} {
		if r := h.start(s)[0]; r.Error != nil || len(r.Replicas) != 1 || r.Replicas[0].Notice != "" {
			t.Errorf("found %+v, expected no notice", r)
		}
	}
	info, err := h.client.Info(h.ctx(5*time.Second), "c")
	if err != nil || len(info.Replicas) != 1 {
		t.Fatalf("found %+v, %v", info, err)
	}
	if since, err := time.Parse(time.RFC3339, info.Replicas[0].Since); err != nil || since.Before(began) || since.After(time.Now()) {
		t.Errorf("it runs since %q, expected an instant after %v", info.Replicas[0].Since, began)
	}
}

func TestHub_StartSaysWhatDoesNotRun(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1")
	for _, specs := range [][]phub.Spec{{{Child: "a", Kind: "nonsense"}}, {pair("two_wanted")}, {{Child: "fine", Kind: "who"}, pair("two_wanted")}} {
		results, err := h.client.Start(h.ctx(20*time.Second), specs, nil)
		wrong, ok := errors.AsType[*phub.ChildrenError](err)
		if !ok || len(wrong.Failed) != 1 || wrong.Of != len(specs) || len(results) != len(specs) {
			t.Errorf("%s: found %v and %+v, expected an error for one child of %d", specs[0].Child, err, results, len(specs))
		}
		if p, ok := errors.AsType[*phub.Problem](err); !ok || p.Try == "" {
			t.Errorf("%s: found %v, expected a problem that says what to try", specs[0].Child, err)
		}
	}
	res := h.start(pair("two_wanted"))[0]
	if want := "1 of 2 replicas of child two_wanted run (the hub has 1 node)"; res.Error == nil || res.Error.Message != want || !res.Existed {
		t.Errorf("found %+v, expected %q", res, want)
	}
	h.join("node2")
	h.eventually("all runs once there is a second node", func() bool { return h.start(pair("two_wanted"))[0].Error == nil })
	if _, err := h.client.Stop(h.ctx(5*time.Second), []string{"nobody"}, nil); !errors.Is(err, phub.ErrNoChild) {
		t.Errorf("a stop of what is not there: found %v, expected ErrNoChild", err)
	}
}

func TestHub_UnknownKindAndFailingStartAreToldPerChildAndNode(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2")
	results := h.start(phub.Spec{Child: "a", Kind: "nonsense"}, phub.Spec{Child: "b", Kind: "broken"}, pair("c"))
	for i, failed := range []int{0, 2} {
		if r := results[i]; r.Error == nil || len(r.Replicas) != failed {
			t.Errorf("found %+v, expected an error and %d failed replicas", r, failed)
		}
	}
	if r := results[2]; r.Error != nil {
		t.Errorf("found %v, expected no error: one child's fault is not another's", r.Error)
	}
}

func TestHub_StopIsKept(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2")
	h.start(pair("child1"))
	results, err := h.client.Stop(h.ctx(10*time.Second), []string{"child1"}, nil)
	if err != nil || results[0].Error != nil {
		t.Fatalf("found %+v, %v", results, err)
	}
	if _, err := h.client.Request(h.ctx(5*time.Second), "child1", nil); !errors.Is(err, phub.ErrNoChild) {
		t.Fatalf("found %v, expected ErrNoChild", err)
	}
	if res := h.start(pair("child1"))[0]; res.Error != nil {
		t.Fatalf("start again: %v", res.Error)
	}
	if _, err := h.client.Request(h.ctx(5*time.Second), "child1", nil); err != nil {
		t.Fatal(err)
	}
}

func TestHub_MoveMakesAnotherNodeActive(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2", "node3")
	res := h.start(pair("child1"))[0]
	on := map[string]bool{}
	for _, r := range res.Replicas {
		on[r.Node] = true
	}
	for _, to := range []string{"node1", "node2", "node3"} {
		moved, err := h.client.Move(h.ctx(10*time.Second), "child1", to)
		if err != nil || moved.Error != nil {
			t.Fatalf("move to %s: %+v, %v", to, moved, err)
		}
		reply, err := h.client.Request(h.ctx(5*time.Second), "child1", nil)
		if err != nil || reply.Node != to {
			t.Fatalf("found %+v, %v, expected an answer by %s", reply, err, to)
		}
	}
}

func TestHub_SecondNodeOfTheSameNameIsRefused(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2")
	for _, name := range []string{"node1", "node2"} {
		_, err := phub.Join(h.ctx(20*time.Second), h.options(name))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Fatalf("found %v, expected an error that names %s", err, name)
		}
	}
}

func TestHub_OtherConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1")
	o := h.options("node2")
	o.Config.Lease = phub.Duration(4 * time.Second)
	_, err := phub.Join(h.ctx(20*time.Second), o)
	if err == nil || !strings.Contains(err.Error(), "4s") || !strings.Contains(err.Error(), "2s") {
		t.Fatalf("found %v, expected an error that names both values", err)
	}
}

// Whoever can't join is told why: not only that the time was over, but what stood in the way.
func TestJoin_SaysWhyNATSCouldNotBeReached(t *testing.T) {
	t.Parallel()
	refused := errors.New("the door is closed")
	h := testHub{t: t, name: "my_hub"}
	o := h.options("node1")
	o.Dial = func(...nats.Option) (*nats.Conn, error) { return nil, refused }
	for what, join := range map[string]func(context.Context) error{
		"Join": func(ctx context.Context) error { _, err := phub.Join(ctx, o); return err },
		"Run":  func(ctx context.Context) error { return phub.Run(ctx, o) },
	} {
		if err := join(h.ctx(200 * time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, refused) {
			t.Errorf("%s: found %v, expected the end of the time and the reason", what, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := phub.Run(ctx, o); err != nil {
		t.Errorf("Run that is told to leave before it has joined: %v", err)
	}
}

// TestJoin_WhatWasRightOnceIsTriedAgain has the servers refuse the login, as while their configuration is
// changed: that ends a node which never was connected, and no other.
func TestJoin_WhatWasRightOnceIsTriedAgain(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	o := h.options("node1")
	var refusing atomic.Bool
	var refused, connected, client atomic.Uint64
	o.Dial = func(opts ...nats.Option) (*nats.Conn, error) {
		if refusing.Load() {
			refused.Add(1)
			return nil, nats.ErrAuthorization
		}
		nc, err := nats.Connect(srv.URL(), opts...)
		if err == nil {
			id, _ := nc.GetClientID() // 0 finds nobody to disconnect
			client.Store(id)
			connected.Add(1)
		}
		return nc, err
	}
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	refusing.Store(true)
	if err := srv.Disconnect(client.Load()); err != nil {
		t.Fatal(err)
	}
	h.eventually("the node tries again and again", func() bool { return refused.Load() > 2 })
	_, err = phub.Join(h.ctx(20*time.Second), o)
	if _, ok := errors.AsType[*phub.SetupError](err); !ok || !errors.Is(err, phub.ErrPermanent) {
		t.Errorf("found %v for a node that was never connected, expected a SetupError", err)
	}
	refusing.Store(false)
	h.eventually("the node is back", func() bool { return connected.Load() == 2 })
	if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
		t.Errorf("found %v, expected the node to live on", err)
	}
}

func TestHub_PlainRequestToAChildWithoutAReplicaIsAnswered(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2")
	h.start(phub.Spec{Child: "a", Kind: "broken"})
	nc := natstest.Connect(t, h.url)
	h.eventually("the coordinator answers for it", func() bool {
		m, err := nc.RequestWithContext(h.ctx(time.Second), "phub.my_hub.req.a", nil)
		return err == nil && m.Header.Get("Nats-Service-Error-Code") == "503" && strings.Contains(m.Header.Get("Nats-Service-Error"), "a has no active replica")
	})
	if _, err := nc.RequestWithContext(h.ctx(time.Second), "phub.my_hub.req.b", nil); !errors.Is(err, nats.ErrNoResponders) {
		t.Fatalf("found %v for a child that does not exist, expected no responders", err)
	}
	if _, err := h.client.Stop(h.ctx(5*time.Second), []string{"a"}, nil); err != nil {
		t.Fatal(err)
	}
	h.eventually("nobody answers for it after the stop", func() bool {
		_, err := nc.RequestWithContext(h.ctx(time.Second), "phub.my_hub.req.a", nil)
		return errors.Is(err, nats.ErrNoResponders)
	})
}

func TestHub_BalanceLeavesAMovedChildWhereItIs(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2", "node3")
	var specs []phub.Spec
	for i := range 6 {
		specs = append(specs, pair(fmt.Sprintf("c%d", i)))
	}
	h.start(specs...)
	for _, s := range specs {
		if moved, err := h.client.Move(h.ctx(10*time.Second), s.Child, "node1"); err != nil || moved.Error != nil {
			t.Fatalf("move %s: %+v, %v", s.Child, moved, err)
		}
	}
	for range 30 { // balance takes a step in a tenth of a second
		for _, s := range specs {
			if reply, err := h.client.Request(h.ctx(5*time.Second), s.Child, nil); err != nil || reply.Node != "node1" {
				t.Fatalf("found %+v, %v for %s, expected node1, to which it was moved", reply, err, s.Child)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}
