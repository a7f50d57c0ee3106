//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
)

var (
	crowdFew      = flag.Int("crowd.few", 40, "how many nodes are few in TestCrowd")
	crowdMany     = flag.Int("crowd.many", 100, "how many are many")
	crowdNodes    = flag.Int("crowd.nodes", 80, "how many hold children")
	crowdChildren = flag.Int("crowd.children", 500, "how many children they hold")
	crowdPause    = flag.Duration("crowd.pause", time.Minute, "for how long TestCrowd stops everything")
	crowdServers  = flag.Int("crowd.servers", 1, "how many NATS servers there are in TestCrowd")
)

const (
	// joinsAtMost is how many times as long many nodes may take to join as few do.
	joinsAtMost = 5
	// wholeAgain is how long a hub may take from which all time was taken away.
	wholeAgain = 10 * time.Second
)

// TestCrowd_Joins has a few nodes join at once, and then many, beside it and by the same machine: the work of each must grow
// more slowly than the hub.
func TestCrowd_Joins(t *testing.T) {
	var took []time.Duration
	for _, n := range []int{*crowdFew, *crowdMany} {
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			h, d := startCrowd(t, n)
			h.nobodyAnew(t)
			took = append(took, d)
		})
	}
	if len(took) == 2 && took[1] > joinsAtMost*took[0] {
		t.Errorf("%d nodes joined in %v, and %d in %v: expected %d times as long at most", *crowdFew, took[0], *crowdMany, took[1], joinsAtMost)
	}
}

// TestCrowd_Children has many children start on many nodes.
func TestCrowd_Children(t *testing.T) {
	h, _ := startCrowd(t, *crowdNodes)
	began := time.Now()
	h.startChildren(*crowdChildren)
	t.Logf("%d children were started in %v", *crowdChildren, since(began))
	h.isWhole(t, time.Minute)
	t.Logf("the hub was whole after %v", since(began))
	h.nobodyAnew(t)
}

// TestCrowd_Stopped takes the time of all processes away, the NATS server's too, for longer than any lease lasts. Who is late is
// not lost: nobody has ended a lease, so no node joins anew.
func TestCrowd_Stopped(t *testing.T) {
	h, _ := startCrowd(t, *crowdFew)
	h.startChildren(*crowdFew)
	h.isWhole(t, time.Minute)
	began := h.stopAll()
	h.isWhole(t, wholeAgain)
	t.Logf("whole again after %v", since(began))
	h.nobodyAnew(t)
}

// startCrowd has nodes join at once, and returns how long it took until all of them were members.
func startCrowd(t *testing.T, nodes int) (*testHub, time.Duration) {
	t.Helper()
	h := &testHub{t: t, nats: startNATS(t, *crowdServers), nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	began := time.Now()
	for i := range nodes {
		h.join(fmt.Sprintf("node%d", i+1))
	}
	started := since(began)
	h.isWhole(t, 3*time.Minute)
	took := since(began)
	t.Logf("%d nodes were started in %v, and had joined after %v", nodes, started, took)
	return h, took
}

// join starts a node of phub's command line.
func (h *testHub) join(name string) {
	p := start(h.t, h.dir, name, bin.phub, "--no-context", "--server", h.nats.url(), "--hub", hubName, "node", "run", "--name", name)
	p.shown = 3
	h.nodes[name] = p
}

// startChildren starts children with a standby each.
func (h *testHub) startChildren(n int) {
	h.t.Helper()
	h.phub("child", "start", "c.%d", "--count", fmt.Sprint(n), "--kind", "echo", "--replicas", "2", "--model", "active_passive")
}

// isWhole waits until all nodes are members, and all children are as they are to be.
func (h *testHub) isWhole(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "the hub is whole", func() error {
		s, err := h.status()
		if err == nil && (s.Nodes != len(h.nodes) || !s.Settled || s.Incomplete > 0 || s.NoActive > 0) {
			err = fmt.Errorf("view %d by %s: %d nodes, settled %v, %d children incomplete, %d without an active replica",
				s.View, s.Coordinator.Node, s.Nodes, s.Settled, s.Incomplete, s.NoActive)
		}
		return err
	})
}

// stopAll stops all processes, the NATS servers' too, and returns when they went on.
func (h *testHub) stopAll() time.Time {
	h.t.Helper()
	all := slices.Collect(maps.Values(h.nodes))
	for _, s := range h.nats.servers {
		all = append(all, s.process)
	}
	var pauses []history.Pause
	for _, p := range all {
		pauses = append(pauses, p.pause())
	}
	time.Sleep(*crowdPause) // the fault's length, not a wait for anything
	for i, p := range all {
		p.wake(pauses[i])
	}
	return time.Now()
}

// nobodyAnew fails the test if a node had to join as a new incarnation: nobody had ended its lease.
func (h *testHub) nobodyAnew(t *testing.T) {
	t.Helper()
	for name, p := range h.nodes {
		log, err := os.ReadFile(p.log)
		if n := strings.Count(string(log), "joining again"); err != nil || n > 0 {
			t.Errorf("%s joined anew %d times, and nobody had ended its lease (%v)", name, n, err)
		}
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(10 * time.Millisecond) }
