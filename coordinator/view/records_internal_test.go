package view

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// newRecordsTest returns a machine of node1 whose own record stands at revision 5, all before it known.
func newRecordsTest() *Machine {
	ids := 0
	m := New(Config{Hub: "h", Node: "node1", Keys: unsigned(func() string { ids++; return "node1-" + strconv.Itoa(ids) })})
	m.conn = &protocol.Conn{Server: "s", Client: 1}
	m.now.Mono = 10 * time.Second
	m.nodes.Loaded(m.now.Mono, 0, 0, 4)
	m.key.claimed, m.key.accepted, m.key.last = true, m.now.Mono, written{m.now.Mono, 5, 5, true}
	m.nodeStored(nodeRecord(m.self, protocol.Up, 5))
	return m
}

func nodeRecord(in protocol.Incarnation, s protocol.Status, revision uint64) Record {
	return recordOf(protocol.NodeRecord{V: 1, Incarnation: in, Status: s, Started: "2026-11-23T00:00:00.000Z", Beat: revision, Lease: protocol.Duration(time.Second)}, revision)
}

// A fence that somebody overwrites is not forgotten: what is written by who may have missed it renews nothing, until the
// coordinator that answers has read that. In a run of the simulator the fenced node took the junk for its own record's, wrote that
// again, and served by an old view.
func TestMachine_OverwrittenRecord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		revision uint64
		read     bool // back, after a pause
		off      bool // the rule
		doubt    bool
	}{
		{"the next record", 6, false, false, false},
		{"after one that was missed", 7, false, false, true},
		{"after some that were read back", 7, true, false, true},
		{"after one that was missed, without the rule", 7, false, true, false},
	} {
		m := newRecordsTest()
		m.cfg.Unsafe.KeyAnyway = c.off
		if c.read {
			m.nodes.Loaded(m.now.Mono, 0, 0, c.revision-1)
		}
		m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node1", Value: []byte("junk"), Revision: c.revision})
		if m.key.doubt.is != c.doubt || !m.key.urgent {
			t.Errorf("%s: in doubt %t, expected %t; writes again %t", c.name, m.key.doubt.is, c.doubt, m.key.urgent)
		}
		if healed := m.writesOwn(t, c.revision+1); healed == c.doubt {
			t.Errorf("%s: what it writes renews its lease: %t", c.name, healed)
		}
		m.vouched(c.revision)
		if m.key.doubt.is != c.doubt {
			t.Errorf("%s: in doubt %t once the coordinator has read the junk", c.name, m.key.doubt.is)
		}
		m.vouched(c.revision + 1)
		if m.key.doubt.is || !m.writesOwn(t, c.revision+2) {
			t.Errorf("%s: in doubt %t once the coordinator has read what was written over the junk", c.name, m.key.doubt.is)
		}
	}
}

// What stood under the own key while a record was being written, and was stored before that, puts that record in no doubt; what
// was stored after it does, and is healed by the next one only.
func TestMachine_DoubtWhileWriting(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	m.writeKey()
	write := m.written(t)
	m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node1", Value: []byte("junk"), Revision: 8})
	m.now.Mono += time.Second
	m.nodeWritten(NodeWritten{Write: write, Outcome: Done, Revision: 6})
	if d := m.key.doubt; !d.is || d.healed != 0 || m.key.accepted != 10*time.Second {
		t.Errorf("after the answer to the write before it: %+v, renewed at %v", d, m.key.accepted)
	}
	if m.writesOwn(t, 9) || m.key.doubt.healed != 9 || m.key.last.beat <= healBeats {
		t.Errorf("after the write over it: %+v, %+v", m.key.doubt, m.key.last)
	}
	m.nodes.Loaded(m.now.Mono, 0, 0, 11)
	m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node1", Value: []byte("junk"), Revision: 12})
	if m.vouched(9); !m.key.doubt.is || m.key.doubt.healed != 0 {
		t.Errorf("after more of them: %+v", m.key.doubt)
	}
}

// A fence that a coordinator finds under a member's key was the last of it only once all is known that was stored before it began
// to watch that member, and if nothing foreign stands over it: a predecessor may have vouched for what came between.
func TestMachine_FenceThatIsFound(t *testing.T) {
	t.Parallel()
	member := protocol.Incarnation{Node: "node2", ID: "a"}
	for _, c := range []struct {
		name   string
		status protocol.Status
		sent   time.Duration // of the own record, relative to the takeover
		junk   bool
		ended  bool
	}{
		{"its own word", protocol.Left, -time.Second, true, true},
		{"before the own record is written", protocol.Lost, -time.Second, false, false},
		{"after that", protocol.Lost, time.Second, false, true},
		{"after that, under junk", protocol.Lost, time.Second, true, false},
	} {
		m := newRecordsTest()
		m.history.view = &protocol.View{Number: 1, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self}, {Incarnation: member}}}
		m.lead = newLead()
		p := &peer{in: member, since: m.now.Mono}
		m.lead.peers["node2"] = p
		m.nodeStored(nodeRecord(member, c.status, 6))
		if c.junk {
			m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node2", Value: []byte("junk"), Revision: 7})
		}
		m.key.last.sent = m.now.Mono + c.sent
		if got := m.peerEnded(p); got != c.ended {
			t.Errorf("%s: ended %t, expected %t", c.name, got, c.ended)
		}
	}
}

// What comes after a fence puts nothing off for who stored it.
func TestMachine_WhatComesAfterItsFencePutsNothingOff(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	member := protocol.Incarnation{Node: "node2", ID: "a"}
	m.history.view = &protocol.View{Number: 1, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self}, {Incarnation: member}}}
	m.lead = newLead()
	p := &peer{in: member, closed: map[protocol.Conn]bool{}}
	m.lead.peers["node2"] = p
	m.nodeStored(nodeRecord(member, protocol.Up, 6))
	m.fencePeer(p)
	m.fenceWritten(NodeWritten{Write: m.written(t), Outcome: Done, Revision: 7})
	begin := m.now.Mono
	for n := uint64(8); !m.over(p) && n < 100; n++ {
		m.now.Mono += 100 * time.Millisecond
		r := Record{Bucket: protocol.NodesBucket, Key: "node2", Value: []byte("junk"), Revision: n}
		if n%2 == 0 {
			r = nodeRecord(member, protocol.Up, n+healBeats)
			r.Revision = n
		}
		m.nodeStored(r)
	}
	if waited := m.now.Mono - begin; waited != m.settings().Lease.Std() {
		t.Errorf("removed %v after its fence, expected a lease", waited)
	}
}

// A hub begins anew only when all is known that was stored before a record that is later than all fences.
func TestMachine_BeginsAnewAfterAllFences(t *testing.T) {
	t.Parallel()
	for _, sent := range []time.Duration{-time.Second, time.Second} {
		m := newRecordsTest()
		m.history.loaded, m.specs.loaded = true, true
		m.key.last.fresh = true
		m.nodeStored(nodeRecord(protocol.Incarnation{Node: "node2", ID: "a"}, protocol.Lost, 6))
		m.now.Mono += 1500 * time.Millisecond
		m.key.last.sent = 10*time.Second + sent
		m.bootstrap()
		if commits := m.op != nil; commits != (sent > 0) {
			t.Errorf("own record sent %v after the fence was seen: commits %t", sent, commits)
		}
	}
}

// written returns the write of a record that is under way.
func (m *Machine) written(t *testing.T) WriteNode {
	t.Helper()
	for _, a := range slices.Backward(m.out) {
		if w, ok := a.(WriteNode); ok {
			return w
		}
	}
	t.Fatal("nothing is being written")
	return WriteNode{}
}

// writesOwn has the machine write its own record, and reports whether that renews its lease.
func (m *Machine) writesOwn(t *testing.T, revision uint64) bool {
	t.Helper()
	m.now.Mono += time.Second
	was := m.key.accepted
	m.writeKey()
	m.nodeWritten(NodeWritten{Write: m.written(t), Outcome: Done, Revision: revision})
	return m.key.accepted > was
}

// The record of an incarnation that had the coordinator's name before it is no fence. In a run of the simulator a
// candidate that had not heard of the coordinator's own record took over from one that lived.
func TestMachine_EarlierIncarnationIsNoFence(t *testing.T) {
	t.Parallel()
	before, now := protocol.Incarnation{Node: "node2", ID: "a"}, protocol.Incarnation{Node: "node2", ID: "b"}
	for _, c := range []struct {
		name     string
		accepted time.Duration // own record, relative to the view's arrival
		last     uint64        // known of the bucket
		fenced   bool
	}{
		{"nothing written since", -time.Second, 6, false},
		{"written, and records before it not heard of", time.Second, 6, false},
		{"written, and all before it known", time.Second, 8, true},
	} {
		m := newRecordsTest()
		m.nodeStored(nodeRecord(before, protocol.Lost, 6))
		m.coord = candidacy{of: now, since: m.now.Mono}
		m.key.last.sent, m.key.last.revision = m.now.Mono+c.accepted, 8
		m.nodes.Loaded(m.now.Mono, 0, 0, c.last)
		m.watchRecordOf(&protocol.View{Coordinator: now})
		if got := m.coordFenced(); got != c.fenced {
			t.Errorf("%s: fenced %t, expected %t", c.name, got, c.fenced)
		}
	}
}

// Where junk stands in the place of the view, and views before it may have been missed, that is known, and the next
// number is above all of them.
func TestHistory_UnsureOfMissedViews(t *testing.T) {
	t.Parallel()
	view := func(n, revision uint64) Record {
		value, err := json.Marshal(protocol.View{V: 1, Number: n, Coordinator: protocol.Incarnation{Node: "node1", ID: "x"}, Nonce: "x", Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		return Record{Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Value: value, Revision: revision}
	}
	junk := func(revision uint64) Record {
		return Record{Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Value: []byte("junk"), Revision: revision}
	}
	m := newRecordsTest()
	m.history.Loaded([]Record{view(1, 1)}, 1)
	m.history.Loaded([]Record{junk(2)}, 2)
	if m.history.unsure || m.nextNumber() != 2 {
		t.Errorf("junk right after view 1: unsure %t, next %d", m.history.unsure, m.nextNumber())
	}
	m.history.Loaded([]Record{junk(7)}, 7)
	if !m.history.unsure || m.nextNumber() != 8 {
		t.Errorf("junk that was read back at 7: unsure %t, next %d", m.history.unsure, m.nextNumber())
	}
	m.history.Loaded([]Record{view(6, 8)}, 8)
	if m.history.unsure || m.nextNumber() != 7 {
		t.Errorf("view 6 after it: unsure %t, next %d", m.history.unsure, m.nextNumber())
	}
}

// What a node concerns is what a look at all entries finds, whatever took their place before.
func TestHistory_FindsWhatConcernsANode(t *testing.T) {
	t.Parallel()
	rng, h := rand.New(rand.NewPCG(3, 4)), NewHistory()
	name := func() string { return "node" + strconv.Itoa(rng.IntN(5)) }
	for range 2000 {
		child := "child" + strconv.Itoa(rng.IntN(20))
		ch := Change{Child: child, Before: h.Entry(child)}
		if rng.IntN(4) > 0 {
			ch.After = &Placed{Child: child}
			for range rng.IntN(3) {
				ch.After.Replicas = append(ch.After.Replicas, protocol.Replica{Node: name()})
			}
			for range rng.IntN(2) {
				ch.After.After = append(ch.After.After, name())
			}
		}
		h.replace(ch)
		asked := []string{name(), name()}
		found, want := set{}, set{}
		for e := range h.concerned(asked) {
			found[e.Child] = h.Entry(e.Child) == e
		}
		for child, e := range h.entries {
			if e.mentions(asked[0]) || e.mentions(asked[1]) {
				want[child] = true
			}
		}
		if !maps.Equal(found, want) {
			t.Fatalf("entries that mention %v: found %v, expected %v", asked, found, want)
		}
	}
}

// A view that follows on missed ones tells of the departure of those whom only entries of those name. Who is active after
// them is so by an epoch that none of the missed views can have given.
func TestMachine_DepartsWhomMissedViewsHad(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	entry := protocol.Entry{V: 1, View: 6, Epoch: 6, Spec: 1, Exclusive: true, Replicas: []protocol.Replica{
		{Node: "node4", Mode: protocol.Active}, {Node: "node2", Mode: protocol.Passive},
	}}
	for _, child := range []string{"c1", "c2"} {
		m.history.pending = append(m.history.pending, pending{Record{Bucket: protocol.PlacementBucket, Key: child, Value: encode(entry)}, true})
	}
	next := &protocol.View{Number: 9, Members: []protocol.Member{{Incarnation: protocol.Incarnation{Node: "node2", ID: "y"}, Since: 2}}}
	m.departMissed(next, 4)
	want := []protocol.Departure{{Incarnation: protocol.Incarnation{Node: "node4", ID: "unknown"}, Since: 5, Until: 9, Reason: "node_lost", Hung: true}}
	if !slices.Equal(next.Gone, want) {
		t.Errorf("found %+v, expected %+v", next.Gone, want)
	}
	if a := protocol.ActiveOf(protocol.Derive(next, &entry)); a == nil || a.Node != "node2" || a.Epoch != 9 {
		t.Errorf("active: found %+v, expected node2 in epoch 9", a)
	}
}

// Who is lost by a commit is who may make an entry mean something else than before it.
func TestCommit_Lost(t *testing.T) {
	t.Parallel()
	member := func(node, id string, since uint64) protocol.Member {
		return protocol.Member{Incarnation: protocol.Incarnation{Node: node, ID: id}, Since: since}
	}
	gone := func(node string, until uint64) protocol.Departure {
		return protocol.Departure{Incarnation: protocol.Incarnation{Node: node, ID: "a"}, Since: 1, Until: until}
	}
	before := &protocol.View{Number: 5, Members: []protocol.Member{member("n1", "a", 1), member("n2", "a", 2)}, Gone: []protocol.Departure{gone("n3", 4)}}
	for _, c := range []struct {
		name    string
		members []protocol.Member
		gone    []protocol.Departure
		want    []string
	}{
		{"nothing changed", before.Members, before.Gone, nil},
		{"one joined", append(slices.Clone(before.Members), member("n4", "a", 6)), before.Gone, nil},
		{"departures settled", before.Members, nil, nil},
		{"one departed", before.Members[:1], append(slices.Clone(before.Gone), gone("n2", 6)), []string{"n2"}},
		{"one departed, and that was settled", before.Members[:1], nil, []string{"n2"}},
		{"another incarnation", []protocol.Member{before.Members[0], member("n2", "b", 7)}, before.Gone, []string{"n2"}},
		{"the same, admitted again", []protocol.Member{before.Members[0], member("n2", "a", 7)}, before.Gone, []string{"n2"}},
		{"one that was never seen departed", before.Members, append(slices.Clone(before.Gone), gone("n4", 6)), []string{"n4"}},
		{"one of an earlier name departed again", before.Members, []protocol.Departure{gone("n3", 6)}, []string{"n3"}},
	} {
		commit := Commit{Before: before, After: &protocol.View{Number: 7, Members: c.members, Gone: c.gone}}
		if got := commit.lost(); !slices.Equal(got, c.want) {
			t.Errorf("%s: found %v, expected %v", c.name, got, c.want)
		}
	}
	first := Commit{After: before}
	if got := first.lost(); got != nil {
		t.Errorf("the first view: found %v, expected none", got)
	}
}

// Records that were lost are read back at once, and at a steady pace while more are lost all the time; the last loss, too,
// is followed by a read.
func TestMachine_ReadsBackWhatWasMissed(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	m.history.caughtUp(0)
	m.specs.caughtUp(0)
	var reads []time.Duration
	step := func(e Event) {
		for _, a := range m.Step(m.now, e) {
			if l, ok := a.(Load); ok && l.Bucket == protocol.ChildrenBucket {
				reads = append(reads, m.now.Mono)
				m.Step(m.now, RecordsLoaded{Bucket: l.Bucket, After: l.After})
			}
		}
	}
	began := m.now.Mono
	for m.now.Mono < began+time.Second {
		m.now.Mono += 5 * time.Millisecond
		step(RecordsMissed{protocol.ChildrenBucket})
	}
	last := m.now.Mono
	for m.now.Mono < began+3*time.Second {
		m.now.Mono += TickEvery
		step(Tick{})
	}
	if n := len(reads); n < 4 || n > 6 || reads[0] != began+5*time.Millisecond || reads[n-1] < last || reads[n-1] > last+missedPause+TickEvery {
		t.Errorf("read at %v, expected at once, then every %v, and last within that after %v", reads, missedPause, last)
	}
}
