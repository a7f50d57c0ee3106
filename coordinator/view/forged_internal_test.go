package view

import (
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// flooded steps a machine through a second in which somebody publishes forged records, one each millisecond, and answers
// its reads from a bucket that ends at some revision. It returns how often the bucket is read, how many records are
// counted as refused, and how often it is said.
func flooded(t *testing.T, b protocol.Bucket, last uint64, forged func(i int) Record) (reads, refused, told int) {
	t.Helper()
	m := newRecordsTest()
	for _, f := range []*feed{&m.history.feed, &m.specs.feed, &m.nodes.feed} {
		f.caughtUp(f.last)
	}
	m.feedOf(b).caughtUp(last)
	for i := range 1000 {
		now := Now{Mono: m.now.Mono + time.Millisecond}
		events := []Event{RecordStored{forged(i)}}
		if i%25 == 0 {
			events = append(events, Tick{})
		}
		for len(events) > 0 {
			e := events[0]
			events = events[1:]
			for _, a := range m.Step(now, e) {
				switch a := a.(type) {
				case Load:
					if a.Bucket == b {
						reads++
					}
					events = append(events, RecordsLoaded{Bucket: a.Bucket, After: a.After, Last: m.feedOf(a.Bucket).last})
				case CountRefused:
					refused++
				case Note:
					if strings.Contains(a.Text, "somebody published") {
						told++
					}
				}
			}
		}
	}
	if !m.ready() || m.feedOf(b).last != last {
		t.Errorf("%s: ready %t, follows up to %d, expected %d", b, m.ready(), m.feedOf(b).last, last)
	}
	return reads, refused, told
}

// Records that no stream stored cost a few reads, are counted, and are told of once; nothing waits for them.
func TestMachine_ForgedRecordsCostFewReads(t *testing.T) {
	t.Parallel()
	for _, b := range []protocol.Bucket{protocol.PlacementBucket, protocol.ChildrenBucket, protocol.NodesBucket} {
		for name, revision := range map[string]func(i int) uint64{
			"next": func(int) uint64 { return 8 },
			"near": func(i int) uint64 { return 9 + uint64(i)%300 },
			"far":  func(i int) uint64 { return 1<<53 + uint64(i) },
		} {
			reads, refused, told := flooded(t, b, 7, func(i int) Record {
				return Record{Bucket: b, Key: protocol.ViewKey, Value: []byte("junk"), Revision: revision(i)}
			})
			if reads == 0 || reads > 20 || refused == 0 || refused > reads || told != 1 {
				t.Errorf("%s, %s: %d reads, %d refused, told %d times", b, name, reads, refused, told)
			}
		}
	}
}

// Renewals of the next revisions, which look like all that follows, are no reason to take the bucket for another one.
func TestMachine_ForgedRenewalsReplaceNoHistory(t *testing.T) {
	t.Parallel()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	m := newRecordsTest()
	m.history.caughtUp(0)
	m.specs.caughtUp(0)
	m.nodeStored(renewed(in, 2, 6))
	m.nodes.Loaded(m.now.Mono, 0, 0, 6)
	was, now := m.self, Now{Mono: m.now.Mono}
	for i := range uint64(400) {
		now.Mono += 10 * time.Millisecond
		events := []Event{RecordStored{renewed(in, 3+i, 7+i)}, Tick{}}
		if i%50 == 49 {
			events = append(events, RecordStored{Record{Bucket: protocol.NodesBucket, Key: "x", Value: []byte("junk"), Revision: 7}})
		}
		for len(events) > 0 {
			e := events[0]
			events = events[1:]
			for _, a := range m.Step(now, e) {
				switch a := a.(type) {
				case Load:
					events = append(events, RecordsLoaded{Bucket: a.Bucket, After: a.After, Last: map[protocol.Bucket]uint64{protocol.NodesBucket: 6}[a.Bucket]})
				case ReadKey:
					events = append(events, KeyRead{Bucket: a.Bucket, Key: a.Key, Known: a.Known, Record: renewed(in, 2, 6)})
				}
			}
		}
	}
	if m.self != was || m.nodes.read != 6 {
		t.Errorf("incarnation %s, expected %s; the bucket stands at %d, expected 6", m.self.ID, was.ID, m.nodes.read)
	}
}

// renewed is a node's record, one beat after another.
func renewed(in protocol.Incarnation, beat, revision uint64) Record {
	return recordOf(protocol.NodeRecord{
		V: 1, Incarnation: in, Status: protocol.Up, Started: "2026-11-23T00:00:00.000Z", Beat: beat, Lease: protocol.Duration(time.Second),
		Conn: protocol.Conn{Server: "S", Client: 7},
	}, revision)
}

func changed(t *testing.T, r Record, change func(*protocol.NodeRecord)) Record {
	t.Helper()
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	change(&rec)
	return recordOf(rec, r.Revision)
}

// Of a live record of a node no more is taken than a sign of life; all else is read.
func TestNodes_HearsSignsOfLifeOnly(t *testing.T) {
	t.Parallel()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	for _, c := range []struct {
		name   string
		change func(*protocol.NodeRecord)
		taken  bool
	}{
		{"a renewal", func(*protocol.NodeRecord) {}, true},
		{"another load", func(r *protocol.NodeRecord) { r.Children, r.Active = 9, 3 }, true},
		{"an earlier beat", func(r *protocol.NodeRecord) { r.Beat = 2 }, false},
		{"a fence", func(r *protocol.NodeRecord) { r.Status = protocol.Lost }, false},
		{"an end in order", func(r *protocol.NodeRecord) { r.Status = protocol.Left }, false},
		{"another connection", func(r *protocol.NodeRecord) { r.Conn.Client++ }, false},
		{"another incarnation", func(r *protocol.NodeRecord) { r.ID = "b" }, false},
		{"a withdrawal", func(r *protocol.NodeRecord) { r.Withdrew = protocol.Withdrawal{ID: "c", View: 3} }, false},
		{"another lease", func(r *protocol.NodeRecord) { r.Lease++ }, false},
	} {
		n := NewNodes()
		n.Stored(time.Second, renewed(in, 2, 1))
		n.Loaded(time.Second, 0, 0, 1)
		taken := n.Heard(2*time.Second, changed(t, renewed(in, 3, 2), c.change))
		if taken != c.taken || taken == n.wants(2*time.Second) {
			t.Errorf("%s: taken %t, expected %t; to be read %t", c.name, taken, c.taken, n.wants(2*time.Second))
		}
		if k := n.Get("node2"); taken != (k.Renewed == 2*time.Second) || taken == n.Sure("node2") || k.Status != protocol.Up || k.ID != "a" {
			t.Errorf("%s: known as %+v, sure %t", c.name, k, n.Sure("node2"))
		}
	}
}

// What was only heard gives way to what is read, also where it claims a later revision; and if the two are the same, it
// counts from when it was heard.
func TestNodes_WhatIsReadCounts(t *testing.T) {
	t.Parallel()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	for _, c := range []struct {
		name    string
		read    Record
		renewed time.Duration
	}{
		{"the same", renewed(in, 3, 2), 2 * time.Second},
		{"another one of that revision", changed(t, renewed(in, 3, 2), func(r *protocol.NodeRecord) { r.Children = 1 }), 3 * time.Second},
		{"an earlier one", renewed(in, 2, 1), 3 * time.Second},
		{"a later one", renewed(in, 4, 5), 3 * time.Second},
	} {
		n := NewNodes()
		n.Stored(time.Second, renewed(in, 2, 1))
		n.Loaded(time.Second, 0, 0, 1)
		n.Heard(2*time.Second, renewed(in, 3, 2))
		n.Stored(3*time.Second, c.read)
		if n.Stored(4*time.Second, renewed(in, 1, c.read.Revision-1)) {
			t.Errorf("%s: what was read before that counts", c.name)
		}
		if k := n.Get("node2"); !n.Sure("node2") || n.Revision("node2") != c.read.Revision || k.Renewed != c.renewed {
			t.Errorf("%s: sure %t, at %d, renewed at %v, expected %v", c.name, n.Sure("node2"), n.Revision("node2"), k.Renewed, c.renewed)
		}
	}
}

// A record whose revision another one had been heard under is read, although all up to there seems known.
func TestNodes_ContestedRevision(t *testing.T) {
	t.Parallel()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	n := NewNodes()
	n.Stored(time.Second, renewed(in, 2, 1))
	n.Loaded(time.Second, 0, 0, 1)
	n.Heard(2*time.Second, renewed(in, 3, 2)) // forged
	fence := changed(t, renewed(in, 3, 2), func(r *protocol.NodeRecord) { r.Status = protocol.Lost })
	if n.Heard(2*time.Second, fence); !n.wants(2*time.Second) || n.after() != 1 {
		t.Errorf("to be read: %t, after %d", n.wants(2*time.Second), n.after())
	}
	n.Stored(3*time.Second, fence)
	if k := n.Get("node2"); k.Status != protocol.Lost || !n.Sure("node2") {
		t.Errorf("known as %+v", k)
	}
}

// A fence waits until the record that it is written over was read.
func TestMachine_FencesOverWhatWasReadOnly(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	m.nodeStored(renewed(in, 2, 6))
	if !m.sureOf("node2") {
		t.Error("a record that was read is not sure")
	}
	m.out = nil
	m.nodeHeard(renewed(in, 3, 7))
	if m.sureOf("node2") || len(m.out) != 1 || m.out[0] != (ReadKey{Bucket: protocol.NodesBucket, Key: "node2", Known: 6}) {
		t.Errorf("a record that was heard: sure %t, does %v", m.sureOf("node2"), m.out)
	}
	m.keyRead(KeyRead{Bucket: protocol.NodesBucket, Key: "node2", Record: renewed(in, 3, 7)})
	if !m.sureOf("node2") {
		t.Error("a record that was heard, then read, is not sure")
	}
}
