package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// newBeatTest returns a machine of node2 that follows view 5 of node1, in which it is no member, and has sent a heartbeat.
func newBeatTest(u Unsafe) (*Machine, protocol.Incarnation) {
	ids := 0
	m := New(Config{Hub: "h", Node: "node2", Keys: unsigned(func() string { ids++; return "id" + itoa(uint64(ids)) }), Unsafe: u})
	by := protocol.Incarnation{Node: "node1", ID: "id"}
	m.now.Mono = time.Minute
	m.conn = &protocol.Conn{Server: "s", Client: 1}
	m.history.view = &protocol.View{Number: 5, Coordinator: by}
	m.history.loaded = true
	m.coord = candidacy{of: by}
	return m, by
}

// answered has a heartbeat answered.
func (m *Machine) answered(a protocol.BeatAnswer) {
	m.beats.number++
	m.beats.busy, m.beats.sent, m.beats.view = true, m.now.Mono, m.viewNumber()
	m.beatAnswered(BeatAnswered{Number: m.beats.number, Answer: a})
}

// TestBeat_GrantsNothingFromWhoKnowsLess answers a heartbeat as a coordinator does that knows an older view than the
// node did when it asked: no lease is taken from it, and the second such answer has the bucket read again, because
// the history may have been replaced. Without the rule it grants one.
func TestBeat_GrantsNothingFromWhoKnowsLess(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		m, by := newBeatTest(Unsafe{TakeBehind: off})
		for range 2 {
			m.answered(protocol.BeatAnswer{Coordinator: by, Accepted: true, View: 4})
		}
		if granted := m.trust.until > 0; granted != off {
			t.Errorf("without the rule: %t; it has granted a lease: %t", off, granted)
		}
		if reads := !m.history.loaded; reads == off {
			t.Errorf("without the rule: %t; the bucket is read again: %t", off, reads)
		}
	}
}

// A lease is for the membership that the coordinator names: one that departed without knowing it, and was admitted again, would serve
// by what it knows from before. Without the rule it takes the lease.
func TestBeat_GrantsForOneMembership(t *testing.T) {
	t.Parallel()
	for _, since := range []uint64{0, 2, 7} {
		for _, off := range []bool{false, true} {
			m, by := newBeatTest(Unsafe{AnyMembership: off})
			m.history.view.Members = []protocol.Member{{Incarnation: m.self, Since: 2}}
			m.answered(protocol.BeatAnswer{Coordinator: by, Accepted: true, View: 9, Revision: 30, Since: since})
			if granted := m.trust.until > 0; granted != (off || since != 7) {
				t.Errorf("admitted in view 2, granted for view %d; without the rule: %t; it has granted a lease: %t", since, off, granted)
			}
		}
	}
}

// An answer counts only if it names the coordinator that the node follows; of any other the most that comes is a read.
func TestBeat_TakesTheCoordinatorsAnswerOnly(t *testing.T) {
	t.Parallel()
	const most = 1<<64 - 1
	for _, c := range []struct {
		name    string
		by      protocol.Incarnation
		view    uint64
		granted bool
		reads   bool
	}{
		{"the coordinator's", protocol.Incarnation{Node: "node1", ID: "id"}, 5, true, false},
		{"nobody's, of the largest view", protocol.Incarnation{}, most, false, true},
		{"another one's, of this view", protocol.Incarnation{Node: "node3", ID: "id"}, 5, false, false},
		{"another one's, of the next view", protocol.Incarnation{Node: "node3", ID: "id"}, 6, false, true},
		{"an earlier incarnation's", protocol.Incarnation{Node: "node1", ID: "before"}, 5, false, false},
	} {
		m, _ := newBeatTest(Unsafe{})
		m.answered(protocol.BeatAnswer{Coordinator: c.by, Accepted: true, View: c.view, Revision: most, Specs: most})
		if granted := m.trust.until > 0; granted != c.granted || (m.beats.silent == 0) != c.granted {
			t.Errorf("%s: grants a lease: %t; silent %d", c.name, granted, m.beats.silent)
		}
		if reads := m.history.wants(m.now.Mono); reads != c.reads || !m.history.loaded {
			t.Errorf("%s: the bucket is read: %t, all else waits for it: %t", c.name, reads, !m.history.loaded)
		}
	}
}

// That an incarnation was removed, or that its name is taken, is not taken from an answer: it stands in the buckets.
func TestBeat_VerifiesRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		refused protocol.Refusal
		know    func(m *Machine)
		anew    bool
		ends    bool
	}{
		{"fenced, and nothing says so", protocol.RefusedFenced, func(*Machine) {}, false, false},
		{"fenced, and the view says so", protocol.RefusedFenced, func(m *Machine) {
			m.history.view.Gone = []protocol.Departure{{Incarnation: m.self, Until: 5}}
		}, true, false},
		{"taken, and nothing says so", protocol.RefusedTaken, func(*Machine) {}, false, false},
		{"taken, as the view says", protocol.RefusedTaken, func(m *Machine) {
			m.history.view.Members = []protocol.Member{{Incarnation: protocol.Incarnation{Node: "node2", ID: "other"}}}
		}, false, true},
		{"taken, as a record says", protocol.RefusedTaken, func(m *Machine) {
			m.nodeStored(nodeRecord(protocol.Incarnation{Node: "node2", ID: "other"}, protocol.Up, 3))
		}, false, true},
		{"taken, but the other one has ended", protocol.RefusedTaken, func(m *Machine) {
			m.nodeStored(nodeRecord(protocol.Incarnation{Node: "node2", ID: "other"}, protocol.Lost, 3))
		}, false, false},
		{"configured otherwise", protocol.RefusedConfig, func(*Machine) {}, false, false},
	} {
		m, by := newBeatTest(Unsafe{})
		c.know(m)
		was, ended := m.self, false
		for range 200 {
			m.answered(protocol.BeatAnswer{Coordinator: by, View: 5, Refused: c.refused, Detail: "x"})
			m.now.Mono += beatRetry
			for _, a := range m.out {
				_, refused := a.(Refused)
				ended = ended || refused
			}
			m.out = nil
		}
		if anew := m.self != was; anew != c.anew || ended != c.ends {
			t.Errorf("%s: joins anew: %t, ends: %t", c.name, anew, ended)
		}
	}
}

// A heartbeat counts once, by a view of the coordinator's time. Whoever heard it can send it again: to this coordinator or to
// its successor, soon or late.
func TestBeat_CountsOnce(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	in := protocol.Incarnation{Node: "node2", ID: "a"}
	p := m.newPeer(in, protocol.Member{Incarnation: in})
	m.lead.peers["node2"], m.lead.since = p, 5
	lease := m.settings().Lease.Std()
	for _, x := range []struct {
		number, view uint64
		after        time.Duration
		counts       bool
	}{
		{6, 4, time.Second, false}, // sent to a predecessor
		{7, 5, time.Second, true},
		{7, 5, time.Second, false},
		{6, 5, time.Second, false},
		{7, 5, 3 * lease, false},
		{6, 5, 3 * lease, false}, // not even after a silence
		{9, 4, time.Second, false},
		{9, 5, time.Second, true},
		{8, 6, time.Second, false},
		{10, 6, time.Second, true},
	} {
		m.now.Mono += x.after
		before := *p
		b := protocol.Beat{Incarnation: in, Number: x.number, View: x.view, Conn: protocol.Conn{Server: "s", Client: x.number}, Report: protocol.Report{Settled: x.number}}
		refusal, why := m.refuse(b)
		counts := p.heard == m.now.Mono && p.conn == b.Conn && p.report.Settled == x.number
		if counts != x.counts || !counts && (p.heard != before.heard || p.conn != before.conn || p.report.Settled != before.report.Settled || refusal != protocol.RefusedWait) {
			t.Errorf("number %d by view %d counts %t (%s: %s)", x.number, x.view, counts, refusal, why)
		}
	}
}

// Nor does an old heartbeat of a node that has gone have it asked for, or admitted.
func TestBeat_OldOnesBringNobodyBack(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	m.lead.since = 5
	if refusal, why := m.refuse(protocol.Beat{Incarnation: protocol.Incarnation{Node: "node2", ID: "a"}, Number: 3, View: 4}); refusal != protocol.RefusedWait || len(m.lead.peers) > 0 {
		t.Errorf("%s (%s), watched: %v", refusal, why, m.lead.peers)
	}
}

// A node that takes the coordinator's role knows what it still waits for itself: it said so before it had the role, and may not say
// it again.
func TestTakeRole_KnowsWhatItWaitsForItself(t *testing.T) {
	t.Parallel()
	m, v := pledging(3, 0)
	m.lead = nil
	m.history.view = v
	m.report = protocol.Report{Settled: 9, Waiting: []string{"held"}}
	m.takeRole()
	if m.settledAt(m.self.Node, "held", 7) || !m.settledAt(m.self.Node, "other", 7) {
		t.Error("a child that waits for the release counts as settled, or another one does not")
	}
}
