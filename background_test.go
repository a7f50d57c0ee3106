package phub_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// most counts what goes on at a time.
type most struct{ now, most atomic.Int32 }

func (m *most) begin() {
	n := m.now.Add(1)
	for was := m.most.Load(); n > was && !m.most.CompareAndSwap(was, n); was = m.most.Load() {
	}
}

func (m *most) end() { m.now.Add(-1) }

// soloist takes its time to hear that it is passive, and to end its active work.
type soloist struct {
	node         string
	told, active *most // of all
	began        chan<- string
	leads        bool
}

func (s *soloist) Handle(context.Context, *phub.Message) ([]byte, error) { return []byte(s.node), nil }

func (s *soloist) ModeChanged(_ context.Context, m phub.ModeChange) {
	was := s.leads
	s.leads = m.Mode == phub.Active
	switch {
	case s.leads && !was:
		s.told.begin()
	case was && !s.leads:
		time.Sleep(200 * time.Millisecond)
		s.told.end()
	}
}

func (s *soloist) RunActive(ctx context.Context, _ uint64) error {
	s.active.begin()
	defer s.active.end()
	s.began <- s.node
	<-ctx.Done()
	time.Sleep(300 * time.Millisecond)
	return nil
}

// In a move and in a leave, nobody is told that he is active while somebody else still is.
func TestBackground_PlannedChangesNeverHaveTwoActives(t *testing.T) {
	t.Parallel()
	var told, active most
	began := make(chan string, 10)
	kind := func(r phub.Replica) (phub.Worker, error) {
		return &soloist{node: r.Node, told: &told, active: &active, began: began}, nil
	}
	h := newTestHub(t, natstest.Single(t).URL())
	for _, name := range []string{"node1", "node2"} {
		o := h.options(name)
		o.Kinds = map[string]phub.Kind{"solo": kind}
		h.joinWith(o)
	}
	spec := phub.Spec{Child: "c", Kind: "solo", Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive, Signal: phub.SignalAll}}
	if _, err := h.client.Start(h.ctx(20*time.Second), []phub.Spec{spec}, nil); err != nil {
		t.Fatal(err)
	}
	first := <-began
	second := strings.Replace("node1node2", first, "", 1)
	asked := time.Now()
	if _, err := h.client.Move(h.ctx(20*time.Second), "c", second); err != nil {
		t.Fatal(err)
	}
	if got, took := <-began, time.Since(asked); got != second || took < 300*time.Millisecond {
		t.Errorf("%s became active %v after the move was asked for; want %s, after 300 ms in which the work of the first one ends", got, took, second)
	}
	if err := h.nodes[second].Leave(h.ctx(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := <-began; got != first {
		t.Errorf("%s became active after %s left", got, second)
	}
	if m, n := told.most.Load(), active.most.Load(); m != 1 || n != 1 {
		t.Errorf("%d were told at a time that they are active, and the active work of %d ran", m, n)
	}
}
