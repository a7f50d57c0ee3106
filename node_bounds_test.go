package phub_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// TestHub_ManyThatFailAtOnceAreAllToldOf starts more children of a broken kind in one request than one heartbeat can name.
func TestHub_ManyThatFailAtOnceAreAllToldOf(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("n1", "n2")
	const children = 1700
	specs := make([]phub.Spec, children)
	for i := range specs {
		specs[i] = phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "broken", Restart: phub.Restart{Policy: phub.Temporary}}
	}
	for _, r := range h.start(specs...) {
		if r.Error == nil {
			t.Fatalf("child %s is said to be started: %+v", r.Child, r)
		}
	}
	var st phub.Status
	h.eventually("all are told to run nowhere", func() bool {
		var err error
		st, err = h.client.Status(h.ctx(time.Second))
		return err == nil && st.Settled && st.NoActive == children
	})
	h.start(pair("fine"))
	st, err := h.client.Status(h.ctx(time.Second))
	if err != nil || st.NoActive != children {
		t.Errorf("got %+v, %v", st, err)
	}
}

// TestHub_AWorkersLongErrorStopsNobody has a worker fail with 1.2 MB of text: that must neither keep its entry from being
// stored nor others from being placed.
func TestHub_AWorkersLongErrorStopsNobody(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	o := h.options("n1")
	o.Kinds["long"] = func(phub.Replica) (phub.Worker, error) { return nil, errors.New(strings.Repeat("\x1b", 1_200_000)) }
	n, err := phub.Join(h.ctx(20*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	results := h.start(phub.Spec{Child: "long", Kind: "long", Restart: phub.Restart{Policy: "permanent", Max: 1}}, phub.Spec{Child: "fine", Kind: "who"})
	if results[0].Error == nil || results[1].Error != nil {
		t.Errorf("got %.3000v", results)
	}
	info, err := h.client.Info(h.ctx(5*time.Second), "long")
	if err != nil || len(info.Failed) != 1 || len(info.Failed[0].Error) > 1100 {
		t.Errorf("got %.3000v, %v", info, err)
	}
	if r := h.start(phub.Spec{Child: "next", Kind: "who"}); r[0].Error != nil {
		t.Errorf("got %+v", r)
	}
	if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
		t.Error(err)
	}
}
