//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
)

// impatient is a configuration in which a server gives up a client that answers no pings as soon as docs/nats.md
// allows.
const impatient = `ping_interval: "1s", ping_max: 2`

// A node hangs for less than its lease, and for long enough that its server gives it up: the others have the proof
// that its connection is closed and replace it before its lease ends. It wakes with thousands of requests that it had
// received, and must not handle one.
func TestPause_GivenUpByItsServer(t *testing.T) {
	h, l := startImpatient(t, "")
	for range 2 {
		h.hangWithBacklog(l)
	}
	h.check(l)
}

// Without the rule that a node needs a sign of life from its server it handles some of them.
func TestPause_GivenUpByItsServerWithoutARule(t *testing.T) {
	h, l := startImpatient(t, "contact")
	const most = 8
	for n := range most {
		h.hangWithBacklog(l)
		record := h.soFar([]*load{l})
		for _, v := range history.Check(record) {
			if v.Rule == history.OneActive || v.Rule == history.NoStale {
				t.Logf("found after %d pauses: %s: %s", n+1, v.Rule, v.Child)
				return
			}
		}
	}
	t.Errorf("no violation was found in %d pauses, without the rule", most)
}

// startImpatient starts a hub with a long lease on an impatient server, and requests that fill what a node
// that hangs can receive.
func startImpatient(t *testing.T, without string) (*testHub, *load) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(config, []byte(impatient), 0o644); err != nil {
		t.Fatal(err)
	}
	c := startNATSOver(t, 1, func(int, []string) []string { return nil }, "--config", config)
	h := &testHub{t: t, nats: c, dir: c.dir, without: without, lease: 10 * time.Second, authority: 20 * time.Second, nodes: map[string]*process{}}
	h.connect()
	for _, name := range []string{"node1", "node2", "node3"} {
		h.start(name)
	}
	h.settled(3)
	children := h.children(6)
	h.settled(3)
	l := newLoad(t, hubName)
	l.name = strings.Repeat("x", 4000)
	l.connect(c)
	l.send(children, every)
	h.served(l, children)
	return h, l
}

// hangWithBacklog stops a node, not the coordinator, on which children are active, until others serve them,
// and some time more.
func (h *testHub) hangWithBacklog(l *load) {
	h.t.Helper()
	node, at := "", h.active()
	for _, name := range []string{"node1", "node2", "node3"} {
		if name != h.coordinator() && len(activeOn(at, name, true)) > len(activeOn(at, node, true)) {
			node = name
		}
	}
	from, woke := h.pause(node, 5*time.Second)
	taken := 0
	for _, child := range activeOn(at, node, true) {
		for _, s := range l.soFar() {
			if s.Child == child && s.Outcome == history.OK && s.At > from && s.Done < woke && s.Node != node {
				taken++
				break
			}
		}
	}
	if taken == 0 {
		h.t.Errorf("%s hung for %v, and nobody took its children over: nothing is tested", node, time.Duration(woke-from))
	}
	h.settled(3)
}
