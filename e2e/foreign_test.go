//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// foreignPace is how far apart the foreign values are: two within less may hide a fence from a node, which then starts anew.
const foreignPace = 500 * time.Millisecond

// foreignLimit is within what time a value in somebody else's name is written over: two heartbeats.
const foreignLimit = time.Second

// stranger is a coordinator that nobody knows.
var stranger = protocol.Incarnation{Node: "stranger", ID: "0b9e7a34-2f61-4c58-9d10-3e8f5a6b7c44"}

// TestBuckets_NothingIsObeyedThatItsAuthorDidNotWrite stores views, fences and records that are as phub writes them, but for
// their authors, one after the other. No node starts anew, no child goes unserved, and each is written over within two
// heartbeats.
func TestBuckets_NothingIsObeyedThatItsAuthorDidNotWrite(t *testing.T) {
	h, l, children := faultyHub(t)
	before, nodes := h.active(), h.incarnations()
	coordinator, victim := h.coordinator(), before[children[0]]
	for what, forge := range map[string]func(v *protocol.View){
		"a view by a coordinator that nobody knows": func(v *protocol.View) {
			v.Coordinator, v.Members = stranger, append(v.Members, protocol.Member{Incarnation: stranger, Since: v.Number})
		},
		"a view by another node": func(v *protocol.View) {
			for _, x := range v.Members {
				if x.Node != coordinator {
					v.Coordinator = x.Incarnation
				}
			}
		},
		"a view without a node that is active": func(v *protocol.View) {
			members := v.Members
			v.Members = nil
			for _, x := range members {
				if x.Node != victim {
					v.Members = append(v.Members, x)
					continue
				}
				v.Gone = append(v.Gone, protocol.Departure{Incarnation: x.Incarnation, Since: x.Since, Until: v.Number, Reason: "node_lost"})
			}
		},
	} {
		var v protocol.View
		h.forge(l, what, protocol.PlacementBucket, protocol.ViewKey, &v, func() { v.Number++; v.Batch = 1; forge(&v) })
	}
	for what, forge := range map[string]func(r *protocol.NodeRecord){
		"a fence by nobody": func(r *protocol.NodeRecord) { r.Status, r.Reason = protocol.Lost, "forged" },
		"a fence in the coordinator's name": func(r *protocol.NodeRecord) {
			r.Status, r.Reason, r.By, r.Fencer = protocol.Lost, "forged", coordinator, nodes[coordinator]
		},
		"a leave":             func(r *protocol.NodeRecord) { r.Status, r.Reason = protocol.Left, "forged" },
		"another incarnation": func(r *protocol.NodeRecord) { r.ID, r.Generation = stranger.ID, r.Generation+1 },
	} {
		for _, node := range []string{victim, coordinator} {
			var r protocol.NodeRecord
			h.forge(l, what+" of "+node, protocol.NodesBucket, node, &r, func() { r.Beat++; forge(&r) })
		}
	}
	for _, node := range []string{victim, coordinator} {
		h.restore(l, node, 50)
	}
	h.settled(3)
	if after := h.active(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("who is active changed from %v to %v", before, after)
	}
	if after := h.incarnations(); fmt.Sprint(after) != fmt.Sprint(nodes) {
		t.Errorf("the nodes started anew: %v was %v", after, nodes)
	}
	h.check(l)
}

// forge stores what is under a key, changed, and checks that it is written over and that all is served.
func (h *testHub) forge(l *load, what string, b protocol.Bucket, key string, into any, change func()) {
	h.t.Helper()
	value, err := h.value(b, key)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(value, into); err != nil {
		h.t.Fatal(err)
	}
	change()
	forged, err := json.Marshal(into)
	if err != nil {
		h.t.Fatal(err)
	}
	from := clock.Now()
	h.put(b, key, forged)
	h.t.Logf("%s", what)
	eventually(h.t, foreignLimit, "after "+what, func() error {
		if is, err := h.value(b, key); err != nil || string(is) == string(forged) {
			return fmt.Errorf("it still holds %s (%v)", is, err)
		}
		return nil
	})
	h.settled(3)
	h.servedSince(l, what, from)
	time.Sleep(foreignPace)
}

// restore stores a node's former record again and again.
func (h *testHub) restore(l *load, node string, times int) {
	h.t.Helper()
	value, err := h.value(protocol.NodesBucket, node)
	if err != nil {
		h.t.Fatal(err)
	}
	from := clock.Now()
	for range times {
		h.put(protocol.NodesBucket, node, value)
		time.Sleep(50 * time.Millisecond)
	}
	h.servedSince(l, "the former record of "+node+" was restored", from)
	time.Sleep(foreignPace)
}

func (h *testHub) servedSince(l *load, what string, from int64) {
	h.t.Helper()
	for child := range h.active() {
		if s := h.serviceOf(l, child, from); s.Gap > vandalLimit || len(s.Outcomes) > 1 {
			h.t.Errorf("after %s: %s: %v", what, child, s)
		}
	}
}

func (h *testHub) put(b protocol.Bucket, key string, value []byte) {
	h.t.Helper()
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	kv, err := js.KeyValue(ctx, b.Name(hubName))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := kv.Put(ctx, key, value); err != nil {
		h.t.Fatal(err)
	}
}

// incarnations returns the members' incarnations by node.
func (h *testHub) incarnations() map[string]string {
	h.t.Helper()
	value, err := h.value(protocol.PlacementBucket, protocol.ViewKey)
	if err != nil {
		h.t.Fatal(err)
	}
	v, err := protocol.DecodeView(value)
	if err != nil {
		h.t.Fatal(err)
	}
	all := map[string]string{}
	for _, x := range v.Members {
		all[x.Node] = x.ID
	}
	return all
}
