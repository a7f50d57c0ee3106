//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

var ownKeysFor = flag.Duration("ownkeys.for", 20*time.Second, "how long TestOwnKeys stores foreign values")

// ownKeysEvery is the interval at which TestOwnKeys stores foreign values under each node's key.
const ownKeysEvery = 300 * time.Millisecond

// Somebody stores foreign values under the keys of all nodes in a loop: two at a time, so that nodes miss what stood there in
// between. No node starts anew, and a plain client that asks 50 children is served meanwhile.
func TestOwnKeys(t *testing.T) {
	h := &testHub{t: t, nats: startNATS(t, 3), recordOnly: "plain-", nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	names := []string{"node1", "node2", "node3"}
	for _, name := range names {
		h.start(name)
	}
	h.settled(len(names))
	children := h.children(asked)
	h.settled(len(names))
	l := newLoad(t, hubName)
	l.name = h.recordOnly
	l.connect(h.nats)
	l.send(children, askedEvery)
	h.served(l, children)

	before := h.incarnations()
	from := clock.Now()
	h.overwriteOwnKeys(names, *ownKeysFor)
	began := time.Now()
	eventually(t, wholeWithin, "afterwards all children are whole", func() error { return h.allRun(children) })
	t.Logf("the children were whole %v after the end", time.Since(began).Round(time.Millisecond))

	h.lived(names)
	limit := h.worstCase()
	var worst time.Duration
	for _, child := range children {
		s := h.serviceOf(l, child, from)
		worst = max(worst, s.Gap)
		if s.Gap > limit {
			t.Errorf("%s was not served for %v, allowed is %v: %v", child, s.Gap, limit, s)
		}
	}
	t.Logf("no child was unserved for more than %v, allowed is %v", worst, limit)
	for node, id := range h.incarnations() {
		if before[node] != id {
			t.Errorf("%s started anew: it was incarnation %s, and is %s", node, before[node], id)
		}
	}
	h.check(l)
}

// overwriteOwnKeys stores foreign values under nodes' keys for a time, two at once under each: forged ends, former records, junk
// and deletes.
func (h *testHub) overwriteOwnKeys(names []string, d time.Duration) {
	h.t.Helper()
	js, err := jetstream.New(h.nc)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	kv, err := js.KeyValue(ctx, protocol.NodesBucket.Name(hubName))
	if err != nil {
		h.t.Fatal(err)
	}
	former := map[string][]byte{}
	tick := time.NewTicker(ownKeysEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, name := range names {
			var last []byte
			if e, err := kv.Get(ctx, name); err == nil {
				last = e.Value()
			}
			if _, err := protocol.DecodeNodeRecord(last); former[name] == nil && err == nil {
				former[name] = last
			}
			subject := "$KV." + protocol.NodesBucket.Name(hubName) + "." + name
			values := []*nats.Msg{
				{Subject: subject, Data: forgedEnd(last)},
				{Subject: subject, Data: former[name]},
				{Subject: subject, Data: []byte("junk")},
				{Subject: subject, Header: nats.Header{"KV-Operation": {"DEL"}}},
			}
			for _, m := range values[(n+i)%3:][:2] {
				if err := h.nc.PublishMsg(m); err != nil {
					h.t.Fatal(err)
				}
			}
		}
	}
}

// forgedEnd returns a record that says that its node is lost, as its coordinator would say it.
func forgedEnd(record []byte) []byte {
	rec, err := protocol.DecodeNodeRecord(record)
	if err != nil {
		return record
	}
	rec.Status, rec.By, rec.Fencer = protocol.Lost, rec.Node, rec.ID
	rec.Beat++
	data, err := json.Marshal(rec)
	if err != nil {
		return record
	}
	return data
}
