//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// canary is a bucket of the account, a stream of another hub's subjects, and an inbox of the nodes, which nobody has any
// business with.
type canary struct {
	t       *testing.T
	h       *testHub
	streams []jetstream.Stream
	before  []jetstream.StreamState
	inbox   *nats.Subscription // of a node
}

const (
	canaryBucket = "canary"
	canaryStream = "canary_hub"
	// nodesInbox is one that nodes of the hub may have.
	nodesInbox = "_INBOX_" + hubName + ".node.canary"
)

func (h *testHub) startCanary() *canary {
	h.t.Helper()
	c := &canary{t: h.t, h: h}
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: canaryBucket})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := kv.PutString(ctx, "key", "alive"); err != nil {
		h.t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: canaryStream, Subjects: []string{"phub.canary.>"}}); err != nil {
		h.t.Fatal(err)
	}
	if c.inbox, err = h.nc.SubscribeSync(nodesInbox); err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{"KV_" + canaryBucket, canaryStream} {
		s, err := js.Stream(ctx, name)
		if err != nil {
			h.t.Fatal(err)
		}
		c.streams, c.before = append(c.streams, s), append(c.before, s.CachedInfo().State)
	}
	return c
}

// subjects are those by which the canary would change.
func (c *canary) subjects() []string {
	return []string{
		nodesInbox, "$KV." + canaryBucket + ".key", "$KV." + canaryBucket + ".stranger", "phub.canary.req.child1", "phub.canary.mode.child1",
		"$JS.API.STREAM.PURGE.KV_" + canaryBucket, "$JS.API.STREAM.DELETE.KV_" + canaryBucket,
		"$JS.API.STREAM.MSG.DELETE.KV_" + canaryBucket, "$JS.API.STREAM.PURGE." + canaryStream,
	}
}

// unchanged fails the test if an answer of phub's reached the canary. Who can send what nodes send each other, such as a heartbeat
// again, is answered where nodes are.
func (c *canary) unchanged(speaksAsNode bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if n, _, err := c.inbox.Pending(); err != nil || n > 0 && !speaksAsNode {
		c.t.Errorf("%d answers reached %s: %v", n, nodesInbox, err)
	}
	for i, s := range c.streams {
		info, err := s.Info(ctx)
		if err != nil {
			c.t.Errorf("the canary %s: %v", s.CachedInfo().Config.Name, err)
			continue
		}
		now, before := info.State, c.before[i]
		if now.Msgs != before.Msgs || now.LastSeq != before.LastSeq || now.FirstSeq != before.FirstSeq || now.NumDeleted != before.NumDeleted {
			c.t.Errorf("an answer changed %s from %+v to %+v", info.Config.Name, before, now)
		}
	}
}

const (
	// memoryEvery is how often the memory of nodes is looked at.
	memoryEvery = 250 * time.Millisecond
	// memoryGrowth is by how much the least resident memory of a node in the last third of the attack may be above that
	// of the first: what is kept shows there, and not what a burst of large messages takes for some seconds.
	memoryGrowth = 64 << 20
	// memoryMost is what a node may have resident at any time.
	memoryMost = 256 << 20
)

// memory is the resident memory of each node's process over time, in bytes.
type memory struct {
	h       *testHub
	stopped chan struct{}
	running sync.WaitGroup
	resides map[string][]int
}

func (h *testHub) watchMemory() *memory {
	m := &memory{h: h, stopped: make(chan struct{}), resides: map[string][]int{}}
	m.running.Go(func() {
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		for {
			select {
			case <-m.stopped:
				return
			case <-tick.C:
				m.look()
			}
		}
	})
	h.t.Cleanup(m.stop)
	return m
}

func (m *memory) stop() {
	select {
	case <-m.stopped:
	default:
		close(m.stopped)
	}
	m.running.Wait()
}

func (m *memory) look() {
	for name, p := range m.h.nodes {
		if n, err := p.resident(); err == nil { // it may have ended: another check says so
			m.resides[name] = append(m.resides[name], n)
		}
	}
}

// flat fails the test if a node's memory grew after the first third of the attack.
func (m *memory) flat() {
	m.h.t.Helper()
	for name, all := range m.resides {
		third := len(all) / 3
		if third == 0 {
			m.h.t.Errorf("%s: %d looks at its memory: too few to say anything", name, len(all))
			continue
		}
		first, last, most := slices.Min(all[:third]), slices.Min(all[2*third:]), slices.Max(all)
		m.h.t.Logf("%s: at least %d MB resident in the first third, %d MB in the last; at most %d MB", name, first>>20, last>>20, most>>20)
		if last > first+memoryGrowth {
			m.h.t.Errorf("%s: resident memory grew from %d MB to %d MB, by more than %d MB", name, first>>20, last>>20, memoryGrowth>>20)
		}
		if most > memoryMost {
			m.h.t.Errorf("%s: %d MB were resident, allowed are %d MB", name, most>>20, memoryMost>>20)
		}
	}
}

// resident returns the process's resident memory, in bytes.
func (p *process) resident() (int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, err := strconv.Atoi(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(value), []byte("kB")))))
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of process %d", p.pid())
}
