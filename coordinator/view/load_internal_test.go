package view

import (
	"testing"

	"github.com/phub-io/phub/protocol"
)

// reads reports whether an event has a bucket read.
func (m *Machine) reads(e Event, b protocol.Bucket) bool {
	for _, a := range m.Step(m.now, e) {
		if l, ok := a.(Load); ok && l.Bucket == b {
			return true
		}
	}
	return false
}

// An answer that is late is compared with what was known when it was asked for: this node's own record may have been stored
// since. With 150 nodes on two cores that was taken for a bucket that went back, and their incarnations ended.
func TestLoaded_IsJudgedByWhatWasKnownWhenItWasAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		last uint64 // the answer's
		anew bool
	}{
		{"as it was when it was asked for", 5, false},
		{"it ended before that", 4, true},
	} {
		m := newRecordsTest()
		m.history.caughtUp(0)
		m.specs.caughtUp(0)
		was, last := m.self, uint64(5)
		for range 2 * shortMost {
			m.now.Mono += shortRetry
			m.readAgain(protocol.NodesBucket)
			if !m.reads(Tick{}, protocol.NodesBucket) {
				break
			}
			ask := last
			last++
			m.key.last.revision = last
			m.nodeStored(nodeRecord(m.self, protocol.Up, last))
			end := ask
			if c.anew {
				end = c.last
			}
			m.Step(m.now, RecordsLoaded{Bucket: protocol.NodesBucket, After: m.loads[protocol.NodesBucket].after, Last: end})
		}
		if anew := m.self != was; anew != c.anew {
			t.Errorf("%s: starts anew %t, expected %t", c.name, anew, c.anew)
		}
	}
}

// So is the answer that nothing stands under a key.
func TestKeyRead_SaysNothingOfWhatWasWrittenSince(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	m.readKey(protocol.NodesBucket, "node2")
	asked, ok := m.out[len(m.out)-1].(ReadKey)
	if !ok || asked.Known != 0 {
		t.Fatalf("does %v, expected to read the key", m.out)
	}
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	m.nodeStored(nodeRecord(in, protocol.Up, 6))
	answer := KeyRead{Bucket: asked.Bucket, Key: asked.Key, Known: asked.Known}
	m.keyRead(answer)
	if k := m.nodes.Get("node2"); k == nil || m.nodes.Revision("node2") != 6 {
		t.Errorf("an answer from before its record was written: known %+v at %d, expected at 6", k, m.nodes.Revision("node2"))
	}
	answer.Known = 6
	if m.keyRead(answer); m.nodes.Get("node2") != nil {
		t.Error("an answer from after its record was written, that nothing is left: it is still known")
	}
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket} {
		m.history.keys["a"], m.specs.keys["a"] = 7, 7
		if m.keyRead(KeyRead{Bucket: b, Key: "a"}); m.keyKnown(b, "a") != 7 {
			t.Errorf("%s: an answer from before the key was written: taken to be at %d, expected 7", b, m.keyKnown(b, "a"))
		}
	}
}
