package phub_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

// A node is ready when all that is placed on it runs, active or not; not while a worker starts, and not once it has left.
func TestNode_Ready(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	started := make(chan struct{})
	for _, name := range []string{"node1", "node2"} {
		o := h.options(name)
		o.Kinds["slow"] = func(phub.Replica) (phub.Worker, error) {
			<-started
			return who(phub.Replica{})
		}
		h.joinWith(o)
	}
	n := h.nodes["node1"]
	ready := func(want string) func() bool {
		return func() bool {
			err := n.Ready()
			return want == "" && err == nil || want != "" && errors.Is(err, phub.ErrNotReady) && strings.Contains(err.Error(), want)
		}
	}
	h.eventually("it is ready with nothing", ready(""))
	spec := pair("child1")
	spec.Kind = "slow"
	done := make(chan error, 1)
	go func() {
		_, err := h.client.Start(h.ctx(20*time.Second), []phub.Spec{spec}, nil)
		done <- err
	}()
	h.eventually("it waits for its worker", ready("replicas that do not run: 1"))
	close(started)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.eventually("it is ready with a replica", ready(""))
	if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if !ready("leaving")() {
		t.Errorf("it has left, and says %v", n.Ready())
	}
}
