//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
)

const hubName = "my_hub"

// testHub is a hub of testnodes on a NATS cluster, with the faults that befell it.
type testHub struct {
	t      *testing.T
	nats   *natsCluster
	dir    string
	nc     *nats.Conn
	client *phub.Client
	nodes  map[string]*process
	pauses []history.Pause
	deaths []history.Death

	// What nodes are started with.
	failover         string        // that they ask for; "" is the default
	lease, authority time.Duration // the same; 0 is the default
	without          string        // the safety rule that they do without; "" is none
	recordOnly       string        // begins the ids of the requests that are recorded; "" is all
}

// startHub starts nodes and waits until the hub is settled.
func startHub(t *testing.T, c *natsCluster, nodes ...string) *testHub {
	t.Helper()
	return startHubWith(t, c, "", nodes...)
}

// startHubWith is startHub with the hub's failover; "" is the default.
func startHubWith(t *testing.T, c *natsCluster, failover string, nodes ...string) *testHub {
	t.Helper()
	h := &testHub{t: t, nats: c, dir: c.dir, failover: failover, nodes: map[string]*process{}}
	h.connect()
	for _, name := range nodes {
		h.start(name)
	}
	h.settled(len(nodes))
	return h
}

// start starts a node, or starts it again.
func (h *testHub) start(name string) *process {
	h.t.Helper()
	program, args := bin.testnode, []string{
		"-hub", hubName, "-name", name, "-url", h.nats.url(), "-record", h.records(name), "-record-only", h.recordOnly, "-busy", "1ms",
		"-failover", h.failover, "-lease", h.lease.String(), "-authority", h.authority.String(),
	}
	if h.without != "" {
		program, args = bin.unsafe, append(args, "-unsafe", h.without)
	}
	p := start(h.t, h.dir, name, program, args...)
	h.nodes[name] = p
	return p
}

func (h *testHub) records(node string) string { return filepath.Join(h.dir, node+".records") }

// children starts active-passive children with two replicas through phub's command line.
func (h *testHub) children(n int) []string {
	h.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("child%d", i+1))
	}
	h.phub(append([]string{"child", "start", "--kind", "recorder", "--replicas", "2", "--model", "active_passive"}, names...)...)
	return names
}

// phub runs phub's command line and returns what it printed. The test fails if it does.
func (h *testHub) phub(args ...string) string {
	h.t.Helper()
	out, code := h.try(args...)
	if code != 0 {
		h.t.Fatalf("phub %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (h *testHub) try(args ...string) (string, int) {
	h.t.Helper()
	return h.tryWithin(time.Minute, args...)
}

func (h *testHub) tryWithin(limit time.Duration, args ...string) (string, int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.phub, append([]string{"--no-context", "--server", h.nats.url(), "--hub", hubName}, args...)...)
	cmd.Env = cleanEnv(h.dir)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		h.t.Fatalf("phub %s: %v", strings.Join(args, " "), err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (h *testHub) status() (phub.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return h.client.Status(ctx)
}

// settled waits until the hub has that many members and every spec is fulfilled.
func (h *testHub) settled(nodes int) {
	h.t.Helper()
	eventually(h.t, 60*time.Second, fmt.Sprintf("the hub settles with %d nodes", nodes), func() error {
		s, err := h.status()
		if err == nil && (s.Nodes != nodes || !s.Settled || s.Incomplete > 0 || s.NoActive > 0) {
			err = fmt.Errorf("view %d by %s: %d nodes, settled %v, %d children incomplete, %d without an active replica",
				s.View, s.Coordinator.Node, s.Nodes, s.Settled, s.Incomplete, s.NoActive)
		}
		return err
	})
}

func (h *testHub) coordinator() string {
	h.t.Helper()
	var name string
	eventually(h.t, 30*time.Second, "the hub has a coordinator", func() error {
		s, err := h.status()
		name = s.Coordinator.Node
		return err
	})
	return name
}

// active returns the node on which each child is active.
func (h *testHub) active() map[string]string {
	h.t.Helper()
	at := map[string]string{}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for info, err := range h.client.List(ctx, phub.Filter{}) {
		if err != nil {
			h.t.Fatalf("list children: %v", err)
		}
		for _, r := range info.Replicas {
			if r.Mode == phub.Active {
				at[info.Child] = r.Node
			}
		}
	}
	return at
}

// activeOn returns the children that are active on a node, or on any but it.
func activeOn(at map[string]string, node string, on bool) []string {
	var children []string
	for child, n := range at {
		if (n == node) == on {
			children = append(children, child)
		}
	}
	slices.Sort(children)
	return children
}

// kill ends a node by SIGKILL and returns when that was sent.
func (h *testHub) kill(node string) int64 {
	h.t.Helper()
	at := clock.Now()
	h.deaths = append(h.deaths, h.nodes[node].kill())
	return at
}

// pause stops a node for a time, and returns when it was stopped and when it woke.
func (h *testHub) pause(node string, d time.Duration) (from, to int64) {
	h.t.Helper()
	p := h.nodes[node].pause()
	time.Sleep(d) // the fault's length, not a wait for anything
	p = h.nodes[node].wake(p)
	h.pauses = append(h.pauses, p)
	return p.From, p.To
}

// check stops the loads and fails the test for every rule that their history violates.
func (h *testHub) check(loads ...*load) {
	h.t.Helper()
	h.report(h.history(loads))
}

// history stops the loads and returns all that there is to judge.
func (h *testHub) history(loads []*load) history.History {
	h.t.Helper()
	for _, l := range loads {
		l.stop()
	}
	return h.soFar(loads)
}

// soFar returns what there is to judge up to now. While loads run it may lack what they sent last.
func (h *testHub) soFar(loads []*load) history.History {
	h.t.Helper()
	record := history.History{Pauses: h.pauses, Deaths: h.deaths}
	for _, l := range loads {
		record.Sent = append(record.Sent, l.soFar()...)
	}
	paths, err := filepath.Glob(filepath.Join(h.dir, "*.records"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			h.t.Fatal(err)
		}
		lines, err := history.ReadLines(bytes.NewReader(data))
		if err != nil {
			h.t.Fatalf("%s: %v", path, err)
		}
		record.Lines = append(record.Lines, lines...)
	}
	record.Now = clock.Now()
	return record
}

func (h *testHub) report(record history.History) {
	h.t.Helper()
	const most = 10
	for i, v := range history.Check(record) {
		if i == most {
			h.t.Errorf("and more violations")
			break
		}
		h.t.Errorf("violation: %v", v)
	}
	if len(record.Sent) == 0 || len(record.Lines) == 0 {
		h.t.Errorf("%d requests were sent, %d lines logged: nothing was tested", len(record.Sent), len(record.Lines))
	}
	h.t.Logf("checked %d requests", len(record.Sent))
}

// service fails the test unless the child was served from one instant until now with no gap above a
// limit, and is served now.
func (h *testHub) service(l *load, child string, from int64, limit time.Duration) history.Service {
	h.t.Helper()
	s := h.serviceOf(l, child, from)
	h.t.Logf("%s: %v", child, s)
	if s.Gap > limit || s.First == "" {
		h.t.Errorf("%s was not served for %v, allowed is %v: %v", child, s.Gap, limit, s)
	}
	return s
}

func (h *testHub) serviceOf(l *load, child string, from int64) history.Service {
	return history.ServiceOf(l.soFar(), child, from, clock.Now())
}

// during lets the load run for a time.
func (l *load) during(d time.Duration) { time.Sleep(d) }

// otherReplica returns the node of a child's other replica.
func (h *testHub) otherReplica(child, not string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := h.client.Info(ctx, child)
	if err != nil {
		h.t.Fatalf("look up %s: %v", child, err)
	}
	for _, r := range info.Replicas {
		if r.Node != not {
			return r.Node
		}
	}
	h.t.Fatalf("%s has no replica but on %s: %+v", child, not, info)
	return ""
}
