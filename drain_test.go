package phub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// plainLoad asks children in turn by plain NATS requests, without a retry, until it is ended, and notes each one that got
// no answer or an error.
type plainLoad struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	asked  int
	failed []string
}

func (h *testHub) plainLoad(clients int, urls []string, children []string) *plainLoad {
	h.t.Helper()
	l := &plainLoad{stop: make(chan struct{})}
	for i := range clients {
		nc := natstest.Connect(h.t, urls[i%len(urls)])
		l.wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-l.stop:
					return
				default:
				}
				l.ask(nc, children[n%len(children)])
			}
		})
	}
	return l
}

func (l *plainLoad) ask(nc *nats.Conn, child string) {
	m, err := nc.Request(protocol.SubjectsOf("my_hub").Request(child), []byte("x"), 5*time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	switch {
	case err != nil:
		l.failed = append(l.failed, child+": "+err.Error())
	case m.Header.Get(protocol.HeaderErrorCode) != "":
		l.failed = append(l.failed, child+": "+m.Header.Get(protocol.HeaderErrorCode)+" "+m.Header.Get(protocol.HeaderError))
	}
}

func (l *plainLoad) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if l.asked == 0 || len(l.failed) > 0 {
		t.Errorf("%d of %d requests failed: %.2000q", len(l.failed), l.asked, l.failed)
	}
}

// A node that leaves in order hands over what it has: clients that send plain requests, and never again, see nothing of it.
func TestLeave_LosesNoRequest(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	h := newTestHub(t, c.URL())
	var urls, children []string
	at := map[string]string{}
	for i, s := range c.Servers {
		urls = append(urls, s.URL())
		at[fmt.Sprintf("node%d", i+1)] = s.URL()
	}
	join := func(name string) *phub.Node {
		o := h.options(name)
		o.URL = at[name]
		n, err := phub.Join(h.ctx(20*time.Second), o)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	nodes := map[string]*phub.Node{}
	for name := range at {
		nodes[name] = join(name)
	}
	var specs []phub.Spec
	for i := range 30 {
		s := phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "who"}
		if i%3 == 0 {
			s.Redundancy = phub.Redundancy{Factor: 2, Model: phub.ActivePassive}
		}
		specs, children = append(specs, s), append(children, s.Child)
	}
	h.start(specs...)
	l := h.plainLoad(6, urls, children)
	for range 2 {
		for name := range at {
			leaving, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			if err := nodes[name].Leave(leaving); err != nil {
				t.Errorf("leave %s: %v", name, err)
			}
			cancel()
			nodes[name] = join(name)
		}
	}
	l.end(t)
	for _, n := range nodes {
		if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
			t.Error(err)
		}
	}
}

// No child waits for another's handler: when a node leaves, those that are idle are active elsewhere at once.
func TestLeave_ASlowHandlerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	slow, entered := make(chan struct{}), make(chan struct{}, 1)
	o := h.options("node1")
	o.Kinds["slow"] = func(phub.Replica) (phub.Worker, error) {
		return phub.HandlerFunc(func(ctx context.Context, _ *phub.Message) ([]byte, error) {
			entered <- struct{}{}
			select {
			case <-slow:
				return []byte("done"), nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}), nil
	}
	node1, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	h.start(phub.Spec{Child: "slow", Kind: "slow"}, phub.Spec{Child: "quick", Kind: "who"})
	o2 := h.options("node2")
	o2.Kinds["slow"] = o.Kinds["slow"]
	h.joinWith(o2)
	if _, err := h.client.Move(h.ctx(20*time.Second), "quick", "node1"); err != nil && !strings.Contains(err.Error(), "already") {
		t.Fatal(err)
	}
	if _, err := h.client.Move(h.ctx(20*time.Second), "slow", "node1"); err != nil && !strings.Contains(err.Error(), "already") {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := h.client.Request(h.ctx(20*time.Second), "slow", nil)
		answered <- err
	}()
	<-entered
	left := make(chan error, 1)
	go func() { left <- node1.Leave(h.ctx(20 * time.Second)) }()
	h.eventually("the idle child is active elsewhere", func() bool {
		r, err := h.client.Request(h.ctx(5*time.Second), "quick", nil)
		return err == nil && r.Node == "node2"
	})
	select {
	case err := <-left:
		t.Errorf("node1 left (%v) while a handler ran", err)
	default:
	}
	close(slow)
	if err := <-answered; err != nil {
		t.Errorf("the request that ran when its node began to leave: %v", err)
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
}

// A connection that is lost while the node leaves is replaced: the hub is told that it left.
func TestLeave_AnotherConnectionTellsTheHub(t *testing.T) {
	t.Parallel()
	s := natstest.Single(t)
	h := newTestHub(t, s.URL())
	more, entered := make(chan struct{}), make(chan struct{}, 1)
	o := h.options("node1")
	o.Kinds["deaf"] = func(phub.Replica) (phub.Worker, error) {
		return phub.HandlerFunc(func(context.Context, *phub.Message) ([]byte, error) {
			entered <- struct{}{}
			<-more // whatever its context says
			return nil, nil
		}), nil
	}
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	h.start(phub.Spec{Child: "c", Kind: "deaf"})
	go h.client.Request(h.ctx(20*time.Second), "c", nil) //nolint:errcheck // what comes of it is of no interest
	<-entered
	nodes, err := h.client.Nodes(h.ctx(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() { left <- n.Leave(h.ctx(20 * time.Second)) }()
	h.eventually("the node says that it drains", func() bool {
		nodes, err := h.client.Nodes(h.ctx(5 * time.Second))
		return err == nil && nodes.Nodes[0].Status == protocol.Draining
	})
	if err := s.Disconnect(nodes.Nodes[0].Conn.Client); err != nil {
		t.Fatal(err)
	}
	close(more)
	if err := <-left; err != nil {
		t.Errorf("leave: %v", err)
	}
}

// The last node has nobody to hand over to, and does not wait for one.
func TestLeave_TheLastNodeDoesNotWait(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	o := h.options("node1")
	o.Grace = time.Hour
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	h.start(phub.Spec{Child: "c", Kind: "who"})
	if err := n.Leave(context.Background()); err != nil {
		t.Error(err)
	}
}

// Draining each node in turn costs plain clients nothing; the node is empty then, and gets its share again after a cancel.
func TestDrain_CostsNothing(t *testing.T) {
	t.Parallel()
	s := natstest.Single(t)
	h := newTestHub(t, s.URL())
	h.join("node1", "node2", "node3")
	var specs []phub.Spec
	var children []string
	for i := range 300 {
		spec := phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "who"}
		if i%2 == 0 {
			spec.Redundancy = phub.Redundancy{Factor: 2, Model: phub.ActivePassive}
		}
		specs, children = append(specs, spec), append(children, spec.Child)
	}
	h.start(specs...)
	l := h.plainLoad(4, []string{s.URL()}, children)
	for _, node := range []string{"node1", "node2", "node3"} {
		var seen []int
		state, err := h.client.Drain(h.ctx(30*time.Second), node, func(s phub.DrainState) { seen = append(seen, s.Children) })
		if err != nil || state.Children != 0 || !state.Draining || len(seen) == 0 {
			t.Fatalf("drain %s: %+v after %v: %v", node, state, seen, err)
		}
		for child, err := range h.client.List(h.ctx(10*time.Second), phub.Filter{Node: node}) {
			t.Errorf("%s is on %s, which is empty (%v)", child.Child, node, err)
		}
		if state, err := h.client.CancelDrain(h.ctx(10*time.Second), node); err != nil || state.Draining {
			t.Fatalf("cancel the drain of %s: %+v, %v", node, state, err)
		}
	}
	h.eventually("each node has a share again", func() bool {
		nodes, err := h.client.Nodes(h.ctx(5 * time.Second))
		if err != nil {
			return false
		}
		for i := range nodes.Nodes {
			if nodes.Nodes[i].Children == 0 {
				return false
			}
		}
		return true
	})
	l.end(t)
}

func TestDrain_WhatCannotGo(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1")
	h.start(phub.Spec{Child: "c", Kind: "who"})
	state, err := h.client.Drain(h.ctx(2*time.Second), "node1", nil)
	if !errors.Is(err, phub.ErrNotEmpty) || state.Children != 1 || len(state.Stuck) != 1 || state.Stuck[0].Child != "c" {
		t.Errorf("got %+v, %v, want ErrNotEmpty and the child that is stuck", state, err)
	}
	if _, err := h.client.Request(h.ctx(5*time.Second), "c", nil); err != nil {
		t.Errorf("the child that can't go: %v", err)
	}
	var p *phub.Problem
	if _, err := h.client.Drain(h.ctx(5*time.Second), "nobody", nil); !errors.As(err, &p) || p.Code != protocol.CodeNotFound {
		t.Errorf("drain of a node that is none: %v", err)
	}
}

// A coordinator that drains gives its role away, to a member that does not. Who asks the hub for something meanwhile, by plain NATS
// requests and without a retry, gets no error, and nor do those who ask children.
func TestDrain_TheCoordinatorsRoleGoesFirst(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	h := newTestHub(t, c.URL())
	h.join("node1", "node2", "node3")
	var specs []phub.Spec
	var children []string
	for i := range 60 {
		specs = append(specs, phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "who", Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive}})
		children = append(children, specs[i].Child)
	}
	h.start(specs...)
	l := h.plainLoad(3, []string{c.URL()}, children)
	o := h.plainOperator(c.URL())
	for range 4 {
		node := h.coordinator()
		state, err := h.client.Drain(h.ctx(30*time.Second), node, nil)
		if err != nil || state.Children != 0 {
			t.Fatalf("drain %s: %+v, %v", node, state, err)
		}
		if now := h.coordinator(); now == node {
			t.Errorf("%s drains, and coordinates", now)
		}
		if _, err := h.client.CancelDrain(h.ctx(10*time.Second), node); err != nil {
			t.Fatal(err)
		}
	}
	o.end(t)
	l.end(t)
}

func (h *testHub) coordinator() string {
	h.t.Helper()
	st, err := h.client.Status(h.ctx(10 * time.Second))
	if err != nil {
		h.t.Fatal(err)
	}
	return st.Coordinator.Node
}

// plainOperator starts and stops children, one after the other, and looks at the hub, by plain NATS requests without a retry, and notes
// each one that got no answer or an error.
func (h *testHub) plainOperator(url string) *plainLoad {
	h.t.Helper()
	l, nc := &plainLoad{stop: make(chan struct{})}, natstest.Connect(h.t, url)
	ask := func(verb string, req any) {
		data, err := json.Marshal(req)
		if err == nil {
			var m *nats.Msg
			if m, err = nc.Request(protocol.SubjectsOf("my_hub").Control(verb), data, 20*time.Second); err == nil {
				err = plainError(m)
			}
		}
		l.asked++
		if err != nil {
			l.failed = append(l.failed, verb+": "+err.Error())
		}
	}
	l.wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			default:
			}
			child := fmt.Sprintf("new%d", n)
			ask(protocol.VerbStart, protocol.StartRequest{Children: []protocol.Spec{{Child: child, Kind: "who"}}})
			ask(protocol.VerbStatus, struct{}{})
			ask(protocol.VerbStop, protocol.StopRequest{Children: []string{child}})
		}
	})
	return l
}

// plainError is the error that an answer to a control request has, in its header or for one child.
func plainError(m *nats.Msg) error {
	if code := m.Header.Get(protocol.HeaderErrorCode); code != "" {
		return errors.New(code + " " + m.Header.Get(protocol.HeaderError))
	}
	var r struct {
		Results []protocol.ChildResult `json:"results"`
	}
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return err
	}
	for _, c := range r.Results {
		if c.Error != nil {
			return c.Error
		}
	}
	return nil
}

// A handler that goes on holds its child up, and the drain says so; it ends with the handler.
func TestDrain_NamesTheHandlerThatHoldsItUp(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	more, entered := make(chan struct{}), make(chan struct{}, 1)
	for _, name := range []string{"node1", "node2"} {
		o := h.options(name)
		o.Kinds["slow"] = func(phub.Replica) (phub.Worker, error) {
			return phub.HandlerFunc(func(context.Context, *phub.Message) ([]byte, error) {
				entered <- struct{}{}
				<-more
				return nil, nil
			}), nil
		}
		h.joinWith(o)
	}
	h.start(phub.Spec{Child: "c", Kind: "slow", Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive}})
	answered := make(chan error, 1)
	go func() {
		_, err := h.client.Request(h.ctx(20*time.Second), "c", nil)
		answered <- err
	}()
	<-entered
	r, err := h.client.Info(h.ctx(5*time.Second), "c")
	if err != nil {
		t.Fatal(err)
	}
	said := false
	_, err = h.client.Drain(h.ctx(20*time.Second), r.Replicas[0].Node, func(s phub.DrainState) {
		if len(s.Stuck) > 0 && strings.Contains(s.Stuck[0].Reason, "a handler") && !said {
			said = true
			close(more)
		}
	})
	if err != nil || !said {
		t.Errorf("got %v; the handler was named: %t", err, said)
	}
	if err := <-answered; err != nil {
		t.Errorf("the request that held it up: %v", err)
	}
}
