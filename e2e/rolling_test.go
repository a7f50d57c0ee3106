//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
)

// replaceable is a node that a rolling replacement ends, wherever it runs. stop has it end in order, and returns when it has.
type replaceable struct {
	name string
	stop func()
}

// replace replaces nodes one by one, as Kubernetes does with the manifests in deploy/: a new node of a new name is started, and when it
// says that it is ready, the next old one is stopped. It returns the new ones.
func (h *testHub) replace(old []replaceable, startFunc func(name string) (node replaceable, ready string), names []string) []replaceable {
	h.t.Helper()
	var all []replaceable
	for i, name := range names {
		node, ready := startFunc(name)
		eventually(h.t, 60*time.Second, name+" is ready", func() error { return isReady(ready) })
		h.t.Logf("%s is ready: stopping %s", name, old[i].name)
		old[i].stop()
		all = append(all, node)
	}
	return all
}

func isReady(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d: %s", res.StatusCode, text)
	}
	return err
}

// flawless checks that each request of a plain client was answered, the first time that it was sent.
func (l *load) flawless(from, least int) {
	l.t.Helper()
	sent := l.soFar()[from:]
	wrong := map[string]int{}
	var longest time.Duration
	for _, s := range sent {
		longest = max(longest, time.Duration(s.Done-s.At))
		if s.Outcome != history.OK {
			wrong[s.Outcome]++
		}
	}
	l.t.Logf("%d requests, the longest took %v", len(sent), longest.Round(time.Millisecond))
	if len(wrong) > 0 || len(sent) < least {
		l.t.Errorf("of %d requests (want %d at least) these failed: %v", len(sent), least, wrong)
	}
}

// rolled waits until the hub has these members alone, and all that runs there is as it is to be.
func (h *testHub) rolled(names []string) {
	h.t.Helper()
	h.settled(len(names))
	at := h.active()
	for child, node := range at {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+node+" ") {
			h.t.Errorf("%s is active on %s, which was replaced", child, node)
		}
	}
}

// phubNode starts a node by phub's own command line.
func (h *testHub) phubNode(program, name string) (node replaceable, ready string) {
	h.t.Helper()
	addr := fmt.Sprintf("127.0.0.1:%d", freePorts(h.t, 1)[0])
	p := start(h.t, h.dir, name, program, "--no-context", "--server", h.nats.url(), "--hub", hubName, "node", "run", "--name", name, "--grace", "50s", "--http", addr)
	stop := func() {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(time.Minute):
			h.t.Errorf("%s has not ended within a minute", name)
		}
	}
	return replaceable{name, stop}, "http://" + addr + "/readyz"
}

// All nodes are replaced by new ones, twice, one at a time and gated by readiness, under plain requests: no client sees anything of it.
func TestRolling_AllNodesAreReplaced(t *testing.T) {
	h := &testHub{t: t, nats: startNATS(t, 3), nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	startFunc := func(name string) (replaceable, string) { return h.phubNode(bin.phub, name) }
	var nodes []replaceable
	for _, name := range []string{"a1", "a2", "a3"} {
		node, ready := startFunc(name)
		eventually(t, 30*time.Second, name+" is ready", func() error { return isReady(ready) })
		nodes = append(nodes, node)
	}
	children := h.plainChildren()
	l := startLoad(t, h.nats, hubName, children)
	for _, names := range [][]string{{"b1", "b2", "b3"}, {"c1", "c2", "c3"}} {
		nodes = h.replace(nodes, startFunc, names)
		h.rolled(names)
	}
	l.stop()
	l.flawless(0, 1000)
}

// plainChildren starts children with two replicas, and some with one, and returns their names.
func (h *testHub) plainChildren() []string {
	h.t.Helper()
	h.phub("child", "start", "child%d", "--count", "8", "--kind", "echo", "--replicas", "2", "--model", "active_passive")
	h.phub("child", "start", "single%d", "--count", "4", "--kind", "echo")
	h.settled(3)
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprintf("child%d", i+1))
	}
	for i := range 4 {
		names = append(names, fmt.Sprintf("single%d", i+1))
	}
	return names
}
