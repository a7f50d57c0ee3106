package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// The record of another process's incarnation that somebody overwrote is fenced once its holder, if it lived, would
// have written it again, however often it is overwritten. One that this process had itself holds nothing up.
func TestMachine_NameUnderAnOverwrittenRecord(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		m := newRecordsTest()
		m.key.claimed = false
		m.self.ID = "new"
		if own {
			m.former = []string{"node1-1"}
		}
		begin := m.now.Mono
		var done time.Duration
		for n := uint64(6); done == 0 && n < 200; n++ {
			m.now.Mono += 100 * time.Millisecond
			m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node1", Value: []byte("junk"), Revision: n})
			m.out, m.key.reading = nil, false
			m.keyDue()
			for _, a := range m.out {
				if w, ok := a.(WriteNode); ok && w.Last == n && (w.Record.Status == protocol.Lost) == !own {
					done = m.now.Mono - begin
				}
			}
		}
		c := m.settings()
		if most := 2*c.Lease.Std() + keyPace; own && done != 100*time.Millisecond || !own && (done <= most || done > most+200*time.Millisecond) {
			t.Errorf("own %t: written over after %v", own, done)
		}
	}
}

// Neither an incarnation that this process had nor one whose heartbeats came over the asker's connection is another
// holder of its name, however long it is in the way.
func TestMachine_NobodyElseHasItsName(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	m.former, m.key.claimed, m.self.ID = []string{"before"}, false, "new"
	for holder, end := range map[string]bool{"before": false, "another": true} {
		m.out, m.beats = nil, beats{}
		for range 1000 {
			m.now.Mono += beatRetry
			m.beatRefused(protocol.BeatAnswer{Refused: protocol.RefusedTaken, Holder: holder})
		}
		if ended := len(m.out) > 0; ended != end {
			t.Errorf("the name is said to be that of %q: ends %t, expected %t", holder, ended, end)
		}
	}
	before, now := protocol.Incarnation{Node: "node2", ID: "a"}, protocol.Incarnation{Node: "node2", ID: "b"}
	conn, other := protocol.Conn{Server: "s", Client: 2}, protocol.Conn{Server: "s", Client: 3}
	for from, want := range map[protocol.Conn]protocol.Refusal{conn: protocol.RefusedWait, other: protocol.RefusedTaken} {
		m.lead = newLead()
		m.history.view = &protocol.View{Number: 5, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self}, {Incarnation: before}}}
		m.lead.peers["node2"] = m.newPeer(before, protocol.Member{Incarnation: before})
		m.lead.peers["node2"].conn = conn
		if got, why := m.stranger(protocol.Beat{Incarnation: now, Conn: from}, m.lead.peers["node2"]); got != want {
			t.Errorf("over %v: %s (%s), expected %s", from, got, why, want)
		}
		if holder := m.holderOf("node2"); holder != "a" {
			t.Errorf("the holder is %q, expected a", holder)
		}
	}
}

// What somebody else keeps storing over a dead node's record does not keep that node a member.
func TestMachine_JunkPutsOffNoFence(t *testing.T) {
	t.Parallel()
	m := newRecordsTest()
	peer := protocol.Incarnation{Node: "node2", ID: "a"}
	m.lead = newLead()
	m.history.view = &protocol.View{Number: 5, Coordinator: m.self, Members: []protocol.Member{{Incarnation: m.self}, {Incarnation: peer}}}
	m.key.fresh = true
	m.nodeStored(nodeRecord(peer, protocol.Up, 6))
	p := m.newPeer(peer, protocol.Member{Incarnation: peer})
	m.lead.peers["node2"] = p
	began, fenced := m.now.Mono, time.Duration(0)
	for n := uint64(7); n < 100 && fenced == 0; n++ {
		m.now.Mono += 100 * time.Millisecond
		m.key.accepted = m.now.Mono
		m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: "node2", Value: []byte("junk"), Revision: n})
		if m.fenceDue(p) {
			fenced = m.now.Mono - began
		}
	}
	if lease := m.settings().Lease.Std(); fenced <= lease*3/4 || fenced > lease {
		t.Errorf("fenced after %v, expected it soon after %v", fenced, lease*3/4)
	}
	if m.lastSign(p) != m.now.Mono {
		t.Error("what junk may hide is not waited for")
	}
}

// A record that was heard under a made-up revision is the same one when it is read; one that stands there again later was
// put back.
func TestNodes_WhatWasHeardIsNotPutBack(t *testing.T) {
	t.Parallel()
	for _, minor := range []bool{false, true} {
		n := NewNodes()
		n.minor = func(string) bool { return minor }
		peer := protocol.Incarnation{Node: "node2", ID: "a"}
		n.Stored(time.Second, nodeRecord(peer, protocol.Up, 6))
		next := nodeRecord(peer, protocol.Up, 7)
		heard := next
		heard.Revision = 9
		n.Heard(2*time.Second, heard)
		n.Stored(3*time.Second, next)
		k := n.Get("node2")
		if n.bad["node2"] != "" || !n.Sure("node2") || n.Revision("node2") != 7 || k.Revision != 7 || k.Beat != 7 || k.Seen != 2*time.Second {
			t.Errorf("minor %t: bad %q, sure %t, %+v", minor, n.bad["node2"], n.Sure("node2"), k)
		}
		next.Revision = 12
		n.Stored(4*time.Second, next)
		if k := n.Get("node2"); n.bad["node2"] == "" || k.Seen != 2*time.Second || k.Renewed != 4*time.Second {
			t.Errorf("minor %t: put back: bad %q, %+v", minor, n.bad["node2"], k)
		}
	}
}
