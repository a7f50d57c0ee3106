//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// fastLimit is the promise of a second for a hub with failover fast, with room for a machine that runs
// everything on two cores.
const fastLimit = 1500 * time.Millisecond

// fastPause is longer than a lease: a process that goes on within it may handle what it had received.
const fastPause = 5 * time.Second

// TestPause_Fast stops a node, then the coordinator, of a hub with failover fast on servers that are
// configured as docs/nats.md says. Each is replaced within the limit, joins again, and no two served at
// once.
func TestPause_Fast(t *testing.T) {
	c := startNATSOver(t, 3, func(_ int, cluster []string) []string {
		return []string{"--routes", "nats://" + strings.Join(cluster, ",nats://"), "--config", "../examples/nats/nats.conf"}
	})
	h := startHubWith(t, c, "fast", "node1", "node2", "node3")
	children := h.children(6)
	h.settled(3)
	l := startLoad(t, h.nats, hubName, children)
	h.served(l, children)
	node := "node1"
	if node == h.coordinator() {
		node = "node2"
	}
	for _, victim := range []string{node, h.coordinator()} {
		concerned := activeOn(h.active(), victim, true)
		from, _ := h.pause(victim, fastPause)
		h.moved(l, concerned, victim, from, fastLimit)
		h.settled(3)
		h.served(l, children)
	}
	h.check(l)
}
