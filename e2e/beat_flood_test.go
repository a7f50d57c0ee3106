//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"flag"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

var (
	floodFor  = flag.Duration("flood.for", 10*time.Second, "how long TestBeats_AFloodLocksNobodyOut sends each sort of heartbeats")
	floodRate = flag.Int("flood.rate", 5000, "how many it sends in a second")
)

// Somebody sends thousands of heartbeats a second in the name of a member, well-formed and with that member's key: such as it once sent itself,
// and later ones, which it would send next, with signatures that only a check of them can tell from its own. The members stay members,
// and the children are served.
func TestBeats_AFloodLocksNobodyOut(t *testing.T) {
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
	before, s := h.incarnations(), h.statusNow()
	genuine := h.hearBeats(s.Coordinator.Node)
	forms := map[string]func(n int) []byte{
		"sent again":   func(n int) []byte { return genuine[n%len(genuine)] },
		"badly signed": func(n int) []byte { return badlySigned(t, genuine[0], n) },
	}
	for name, form := range forms {
		from := clock.Now()
		sent := h.flood(form)
		var worst time.Duration
		for _, child := range children {
			worst = max(worst, h.serviceOf(l, child, from).Gap)
		}
		now := h.statusNow()
		t.Logf("%s: %d heartbeats; no child was unserved for more than %v; view %d by %s after view %d by %s; refused: %v",
			name, sent, worst, now.View, now.Coordinator.Node, s.View, s.Coordinator.Node, now.Refused)
		if limit := h.worstCase(); worst > limit {
			t.Errorf("%s: a child was not served for %v, allowed is %v", name, worst, limit)
		}
		s = now
	}
	for node, id := range h.incarnations() {
		if before[node] != id {
			t.Errorf("%s started anew: it was incarnation %s, and is %s", node, before[node], id)
		}
	}
	h.lived(names)
	h.check(l)
}

func (h *testHub) statusNow() phub.Status {
	h.t.Helper()
	var s phub.Status
	eventually(h.t, 10*time.Second, "the hub tells its status", func() (err error) {
		s, err = h.status()
		return err
	})
	return s
}

// hearBeats returns some heartbeats of one node that is not the coordinator.
func (h *testHub) hearBeats(coordinator string) [][]byte {
	h.t.Helper()
	sub, err := h.nc.SubscribeSync(protocol.SubjectsOf(hubName).Beat())
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var heard [][]byte
	node := ""
	for len(heard) < 5 {
		m, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			h.t.Fatalf("heard %d heartbeats: %v", len(heard), err)
		}
		b, err := protocol.DecodeBeat(m.Data)
		if err != nil || b.Node == coordinator || node != "" && b.Node != node {
			continue
		}
		node = b.Node
		heard = append(heard, m.Data)
	}
	return heard
}

// badlySigned returns a heartbeat that would follow on one, with its author's key and a signature that nobody made.
func badlySigned(t *testing.T, genuine []byte, n int) []byte {
	t.Helper()
	b, err := protocol.DecodeBeat(genuine)
	if err != nil {
		t.Fatal(err)
	}
	_, sig := protocol.SplitSignature(genuine)
	signed, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		t.Fatal(err)
	}
	rand.Read(signed[ed25519.PublicKeySize:])
	b.Number += 1000 + uint64(n)
	data, err := protocol.EncodeSigned(inItsName(base64.RawURLEncoding.EncodeToString(signed)), protocol.SubjectsOf(hubName).Beat(), &b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// inItsName is a signature of anything.
type inItsName string

func (s inItsName) SignAs(string, []byte) string { return string(s) }

// flood sends heartbeats at a steady rate, and returns how many.
func (h *testHub) flood(form func(n int) []byte) int {
	h.t.Helper()
	nc := connect(h.t, h.nats.url(), nats.NoEcho(), nats.Name("flood"))
	defer nc.Close()
	subject, inbox := protocol.SubjectsOf(hubName).Beat(), nc.NewInbox()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for time.Since(began) < *floodFor {
		<-tick.C
		for due := int(time.Since(began).Seconds() * float64(*floodRate)); sent < due; sent++ {
			if err := nc.PublishRequest(subject, inbox, form(sent)); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	return sent
}
