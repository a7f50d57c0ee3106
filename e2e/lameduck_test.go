//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/protocol"
)

// lameDuck has servers wait 2 s before they close the connections of their clients, which then takes 30 s, the least that can be
// configured.
const lameDuck = "lame_duck_grace_period: \"2s\"\nlame_duck_duration: \"30s\"\n"

// TestLameDuck_EachInTurn restarts all servers, one by one, in lame duck mode, and then has them reload their configuration. Meanwhile a plain client without retry, connected to another
// server, asks the hub's children, and two bare responders of nats.go in a queue group.
func TestLameDuck_EachInTurn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(lameDuck), 0o644); err != nil {
		t.Fatal(err)
	}
	h := startHub(t, startNATSOver(t, 3, allRoutes, "-c", file), "node1", "node2", "node3")
	children := h.children(9)
	h.settled(3)
	bare := bareResponders(t, h.nats)
	l := startLoad(t, h.nats, hubName, children)
	before, err := h.status()
	if err != nil {
		t.Fatal(err)
	}
	active := h.active()
	for i, s := range h.nats.servers {
		l.use((i + 1) % len(h.nats.servers))
		bare.use((i + 1) % len(h.nats.servers))
		l.during(200 * time.Millisecond) // what went through the old one is answered
		t.Logf("%s: lame duck mode; it leads the placement stream: %v", s.name, h.nats.leader(protocol.PlacementBucket.Name(hubName)) == i)
		s.signal(syscall.SIGUSR2)
		select {
		case <-s.done:
		case <-time.After(90 * time.Second):
			t.Fatalf("%s still runs", s.name)
		}
		h.nats.restart(i)
		for _, b := range protocol.Buckets {
			h.nats.current(b.Name(hubName))
		}
		t.Logf("errors up to now: %v; of bare responders: %v", failed(l), failed(bare))
	}
	if err := os.WriteFile(file, []byte(lameDuck+"max_connections: 1000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, s := range h.nats.servers {
		s.signal(syscall.SIGHUP) // reads its configuration again
		l.during(time.Second)
	}
	h.check(l)
	bare.stop()
	if after, err := h.status(); err != nil || after.View != before.View || after.Coordinator != before.Coordinator {
		t.Errorf("there was view %d of %v before, and is view %d of %v now: %v", before.View, before.Coordinator, after.View, after.Coordinator, err)
	}
	if after := h.active(); !maps.Equal(active, after) {
		t.Errorf("who is active changed from %v to %v", active, after)
	}
	if n := failed(l); len(n) > 0 {
		t.Errorf("requests to children failed: %v", n)
	}
	if n, of := total(failed(l)), total(failed(bare)); n > of {
		t.Errorf("%d requests to children failed, and %d to bare responders", n, of)
	}
	t.Logf("%d requests to children, %d to bare responders", len(l.soFar()), len(bare.soFar()))
}

// bareResponders are two plain responders in a queue group, each connected to servers in an order of its own, and the load on them.
func bareResponders(t *testing.T, c *natsCluster) *load {
	t.Helper()
	l := newLoad(t, "bare")
	l.name = "bare"
	urls := []string{c.servers[0].url, c.servers[1].url, c.servers[2].url}
	for range 2 {
		nc := connect(t, urls[0]+","+urls[1]+","+urls[2], nats.DontRandomize())
		t.Cleanup(nc.Close)
		slices.Reverse(urls)
		if _, err := nc.QueueSubscribe(l.subjects.Request("bare"), "g", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	l.connect(c)
	l.send([]string{"bare"}, time.Millisecond)
	return l
}

// failed counts the requests of a load that were not answered as they should be, by how they ended.
func failed(l *load) map[string]int {
	n := map[string]int{}
	for _, s := range l.soFar() {
		if s.Outcome != history.OK {
			n[fmt.Sprint(s.Outcome)]++
		}
	}
	return n
}

func total(n map[string]int) int {
	sum := 0
	for _, x := range n {
		sum += x
	}
	return sum
}
