//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
)

var (
	crowdNodes = flag.Int("crowd.nodes", 20, "how many nodes TestCrowd has join at once")
	crowdPause = flag.Duration("crowd.pause", 10*time.Second, "for how long TestCrowd stops everything")
)

// wholeAgain is how long a hub may take from which all time was taken away, with room for a machine that has little of it.
const wholeAgain = 30 * time.Second

// TestCrowd has many nodes join at once, and then takes the time of all processes away, the NATS server's too. Who is late is
// not lost: no lease was ended by anybody, so no node joins anew.
func TestCrowd(t *testing.T) {
	h := &testHub{t: t, nats: startNATS(t, 1), nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	began := time.Now()
	for i := range *crowdNodes {
		h.join(fmt.Sprintf("node%d", i+1))
	}
	h.everybody(t, 3*time.Minute)
	t.Logf("%d nodes joined in %v", *crowdNodes, time.Since(began).Round(10*time.Millisecond))

	all := []*process{h.nats.servers[0].process}
	for _, p := range h.nodes {
		all = append(all, p)
	}
	var pauses []history.Pause
	for _, p := range all {
		pauses = append(pauses, p.pause())
	}
	time.Sleep(*crowdPause) // the fault's length, not a wait for anything
	for i, p := range all {
		p.wake(pauses[i])
	}
	began = time.Now()
	h.everybody(t, wholeAgain)
	t.Logf("whole again after %v", time.Since(began).Round(10*time.Millisecond))
	for name, p := range h.nodes {
		if log, err := os.ReadFile(p.log); err != nil || strings.Contains(string(log), "joining again") {
			t.Errorf("%s joined anew, and its lease had not been ended by anybody (%v)", name, err)
		}
	}
}

// join starts a node of phub's command line.
func (h *testHub) join(name string) {
	p := start(h.t, h.dir, name, bin.phub, "--no-context", "--server", h.nats.url(), "--hub", hubName, "node", "run", "--name", name)
	p.shown = 3
	h.nodes[name] = p
}

// everybody waits until all nodes are members.
func (h *testHub) everybody(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "the hub is whole", func() error {
		s, err := h.status()
		if err == nil && (s.Nodes != len(h.nodes) || !s.Settled) {
			err = fmt.Errorf("view %d by %s: %d nodes, settled %v", s.View, s.Coordinator.Node, s.Nodes, s.Settled)
		}
		return err
	})
}
