package view

import (
	"reflect"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestRefused_AnAnswerThatNothingIsThereIsTakenBack has a leader that was deposed say that nothing is left of a key, and the next
// one what stands there: the key must not stay lost, or all later commits would be refused.
func TestRefused_AnAnswerThatNothingIsThereIsTakenBack(t *testing.T) {
	t.Parallel()
	m := New(Config{Hub: "h", Node: "node1", Keys: unsigned(func() string { return "id1" })})
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket} {
		m.feedOf(b).last = 9
		revision := func() uint64 {
			if b == protocol.ChildrenBucket {
				return m.specs.keys["child1"]
			}
			return m.history.Revision("child1")
		}
		m.history.keys["child1"], m.specs.keys["child1"] = 7, 7
		for _, step := range []struct{ found, want uint64 }{{7, 7}, {0, 0}, {7, 7}, {0, 0}, {12, 0}} {
			m.keyRead(KeyRead{Bucket: b, Key: "child1", Known: revision(), Record: Record{Revision: step.found}})
			if got := revision(); got != step.want {
				t.Errorf("%s: after an answer of revision %d it is taken to be at %d, want %d", b, step.found, got, step.want)
			}
		}
	}
}

// A name that was forgotten is used again: the write is refused once, the key is read, and the next one counts from its
// marker.
func TestRefused_ForgottenMarkersAreRead(t *testing.T) {
	t.Parallel()
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket} {
		m := New(Config{Hub: "h", Node: "node1", Keys: unsigned(func() string { return "id1" })})
		m.feedOf(b).last = 9
		m.readRefused(b, []Write{{Key: "old"}})
		if len(m.out) != 0 {
			t.Errorf("%s: nothing was forgotten, and it does %v", b, m.out)
		}
		m.history.marks.all, m.specs.marks.all = make([]marker, markersKept), make([]marker, markersKept)
		m.readRefused(b, []Write{{Key: "old"}})
		if len(m.out) != 1 || m.out[0] != (ReadKey{b, "old", 0}) {
			t.Fatalf("%s: refused, it does %v", b, m.out)
		}
		m.keyRead(KeyRead{Bucket: b, Key: "old", Record: Record{Bucket: b, Key: "old", Revision: 7, Deleted: true}})
		if rev := max(m.history.keys["old"], m.specs.keys["old"]); rev != 7 {
			t.Errorf("%s: known at %d, expected 7", b, rev)
		}
	}
}

// What this node wrote behind a record that it does not know is there, and nothing is decided before it is read.
func TestAcknowledged_BehindAHole(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	m.nodes.loaded = true
	writes := []Write{{Key: "b", Delete: true}}
	m.acknowledged(protocol.ChildrenBucket, writes, m.specs.last+1)
	if !m.ready() || m.specs.last != 2 {
		t.Errorf("the next record: ready %t, known up to %d, expected 2", m.ready(), m.specs.last)
	}
	m.acknowledged(protocol.ChildrenBucket, writes, m.specs.last+2)
	if m.ready() || m.specs.last != 2 {
		t.Errorf("behind a hole: ready %t, known up to %d, expected 2", m.ready(), m.specs.last)
	}
}

// A hub that an earlier build made, before hubs had ids, gets one from its next coordinator, once, and keeps its configuration.
func TestIdentify_GivesAnOldHubAnID(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	config := protocol.Config{V: 1, Lease: protocol.Duration(3 * time.Second)}.WithDefaults()
	m.history.Loaded([]Record{
		{Bucket: protocol.PlacementBucket, Key: protocol.ConfigKey, Revision: 1, Value: encode(config)},
		{Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Revision: 2, Value: encode(protocol.View{
			V: 1, Number: 1, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self, Since: 1}}, Batch: 2, Nonce: "x", Time: "t",
		})},
	}, 2)
	m.lead = newLead()
	m.key.accepted, m.key.fresh = m.now.Mono, true
	if m.hub() != "" || !m.identify() {
		t.Fatalf("the hub's id is %q; expected none, and that it gets one", m.hub())
	}
	commit, ok := m.out[len(m.out)-1].(CommitWrites)
	if !ok || len(commit.Writes) != 2 {
		t.Fatalf("found %v, expected a commit of configuration and view", m.out)
	}
	var records []Record
	for i, w := range commit.Writes {
		records = append(records, Record{Bucket: protocol.PlacementBucket, Key: w.Key, Value: w.Value, Revision: uint64(3 + i)})
	}
	m.history.Loaded(records, 4)
	got := *m.history.Config()
	if got.ID != m.self.ID || m.history.View().Hub != m.self.ID {
		t.Errorf("the configuration's id is %q, the view's %q; expected %q", got.ID, m.history.View().Hub, m.self.ID)
	}
	if got.ID = ""; !reflect.DeepEqual(got, config) {
		t.Errorf("the configuration is %+v, it was %+v", got, config)
	}
	if m.identify() {
		t.Error("it gets another id")
	}
}

// A successor writes again what is stored and not placed, but not over what it has decided itself: the stop of a child that ended.
func TestRenewSpecs_LeavesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, stops := range []bool{true, false} {
		m := newLeadTest()
		m.nodes.loaded = true
		if m.lead.renews = true; stops {
			m.lead.desired.push(specWrite{child: "a"})
		}
		m.renewSpecs()
		if w, busy := m.lead.desired.changing("a"); !busy || (w.spec == nil) != stops || m.lead.renews {
			t.Errorf("stopped %t: what is to be written is %+v (%t), to be renewed still: %t", stops, w.spec, busy, m.lead.renews)
		}
	}
}

// Whoever asks for the status while NATS does nothing is told it, also if the buckets have to be read again.
func TestCannotAct_TellsTheStatus(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	m.troubles[access{protocol.NodesBucket, false}] = &trouble{text: "no quorum", rejected: true, last: m.now.Mono}
	m.history.loaded = false
	if v, p := m.cannotAct(protocol.VerbStatus); v == nil || p != nil {
		t.Errorf("found %v, %v; expected the status", v, p)
	}
	if v, p := m.cannotAct(protocol.VerbStart); v != nil || p == nil || p.Code != protocol.CodeNotStored {
		t.Errorf("a start: found %v, %v; expected that nothing is stored", v, p)
	}
}
