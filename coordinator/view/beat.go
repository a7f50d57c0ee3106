package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// beats are the heartbeats that this node sends to the coordinator.
type beats struct {
	number   uint64
	busy     bool
	sent     time.Duration
	answered time.Duration // when the last accepted one was sent; 0 if none on this connection
	next     time.Duration
	soon     bool // there is something to say
	revision uint64
	specs    uint64
	taken    time.Duration // since when the name has been refused as taken; 0 if it isn't
	refusals int           // how often since then
	asked    bool          // one has ended, however it did
	silent   int           // attempts without an answer since the last one
	view     uint64        // the newest view when the one under way was sent,
	conn     protocol.Conn // and the connection that it names
	behind   int           // answers in a row by a coordinator that knew an older one
}

func (b *beats) reset() {
	*b = beats{number: b.number}
}

// kept reports whether the coordinator keeps this node's lease.
func (b *beats) kept(now, heartbeat time.Duration) bool {
	return b.answered > 0 && now-b.answered < 2*heartbeat
}

// takeReport notes what the running side says, and sends it on if it matters.
func (m *Machine) takeReport(r protocol.Report) {
	news := r.Settled != m.report.Settled || !slices.Equal(r.Failed, m.report.Failed) || !slices.Equal(r.Waiting, m.report.Waiting) ||
		!slices.Equal(r.Restarted, m.report.Restarted)
	if m.lead != nil {
		m.lead.refused.add(m.now.Mono, r.Refused.Since(m.report.Refused))
	}
	m.report = r
	if news {
		m.beats.soon = true
		m.leadReport()
	}
}

// beatDue sends a heartbeat when it is time. The coordinator sends none: it lives by its key.
func (m *Machine) beatDue() {
	b := &m.beats
	if b.busy || m.lead != nil || m.leaving {
		return
	}
	if m.now.Mono < b.next && !(b.soon && m.Member()) {
		return
	}
	b.busy, b.soon = true, false
	b.sent, b.view, b.conn = m.now.Mono, m.viewNumber(), *m.conn
	b.number++
	b.next = m.now.Mono + m.settings().Heartbeat.Std()
	m.do(SendBeat{Missing: m.missing(), Beat: protocol.Beat{
		V: 1, Incarnation: m.self, Number: b.number, Conn: *m.conn, Status: m.ownStatus(),
		Labels: m.cfg.Labels, Capacity: m.cfg.Capacity, Kinds: m.cfg.Kinds, View: m.viewNumber(), Report: m.ownReport(),
		Confirms: m.confirms(), Pledge: m.pledges(), Hub: m.hub(), Domain: m.domain,
	}})
}

// beatRetry is how soon a heartbeat that nobody received, or that must wait, is sent again.
const beatRetry = 25 * time.Millisecond

func (m *Machine) beatAnswered(e BeatAnswered) {
	b := &m.beats
	if e.Outcome == Done && m.fromOther(&e.Answer) {
		e.Outcome = OutcomeUnknown
	}
	if e.Outcome == Done && e.Answer.Coordinator == m.coord.of {
		m.coord.heard = m.now.Mono
	}
	if !b.busy || e.Number != b.number {
		return
	}
	b.busy, b.asked = false, true
	if e.Outcome == Done && !m.fromCoordinator(e.Answer) {
		e.Outcome = OutcomeUnknown
	}
	if e.Outcome != Done {
		b.silent++
		b.taken = 0 // the coordinator may have had no time to find out whether the name's holder lives
		b.next = m.now.Mono + m.beatPause()
		m.key.next = min(m.key.next, max(m.key.accepted, m.key.sent)+m.settings().Heartbeat.Std())
		m.coordSilent(e.Outcome)
		return
	}
	b.silent = 0
	m.coordAnswered(e.Number, e.Answer)
	switch {
	case !e.Answer.Accepted:
		m.beatRefused(e.Answer)
	case e.Answer.View < b.view && !m.cfg.Unsafe.TakeBehind:
		m.beatBehind()
	default:
		m.beatAccepted(e.Answer)
	}
}

// beatPause is how long to wait after a heartbeat that nobody of this hub answered. There may be no hub, or another one.
func (m *Machine) beatPause() time.Duration {
	if m.history.View() == nil || m.neighbour.answered >= m.beats.sent {
		return m.settings().Heartbeat.Std()
	}
	return beatRetry
}

// fromCoordinator reports whether an answer names the coordinator of the view that this node follows. Another one's counts for
// nothing: it has been replaced, or it is of a view that is to be read first, or there is no such coordinator.
func (m *Machine) fromCoordinator(a protocol.BeatAnswer) bool {
	v := m.history.View()
	if v == nil || a.View > v.Number && a.Coordinator != v.Coordinator {
		m.history.hinted(a.Revision, m.now.Mono)
	}
	return v != nil && a.Coordinator == v.Coordinator
}

// beatBehind takes an answer by a coordinator that knows less than this node did when it asked: for a
// moment, because its commit was heard of here first; or because it was replaced, or the history was.
// Such an answer grants nothing.
func (m *Machine) beatBehind() {
	m.beats.next = m.now.Mono + beatRetry
	if m.beats.behind++; m.beats.behind > 1 {
		m.reload(protocol.PlacementBucket)
	}
}

func (m *Machine) beatAccepted(a protocol.BeatAnswer) {
	b := &m.beats
	if x := m.history.View().Member(m.self.Node); x != nil && x.Incarnation == m.self && a.Since != 0 && a.Since != x.Since && !m.cfg.Unsafe.AnyMembership {
		m.history.hinted(a.Revision, m.now.Mono) // it departed in a view that it missed
		return
	}
	b.answered, b.taken, b.behind = b.sent, 0, 0
	m.renew(b.sent, m.settings().Lease.Std())
	m.vouched(a.Record)
	m.transferHeard(b.conn)
	// What the answer before this one knew must have arrived by now.
	m.history.hinted(b.revision, m.now.Mono)
	m.specs.hinted(b.specs, m.now.Mono)
	b.revision, b.specs = a.Revision, a.Specs
	m.stuck = max(a.Stuck, 0)
}

func (m *Machine) beatRefused(a protocol.BeatAnswer) {
	b := &m.beats
	b.next = m.now.Mono + beatRetry
	switch a.Refused {
	case protocol.RefusedFenced:
		m.saidFenced(a)
	case protocol.RefusedTaken:
		if slices.Contains(m.former, a.Holder) {
			b.taken = 0 // nobody else has it
			return
		}
		m.nameTaken(a)
	case protocol.RefusedConfig, protocol.RefusedWait, protocol.RefusedLeft, protocol.RefusedHub:
		b.taken = 0
	}
}

// saidFenced looks whether it is true that this incarnation was removed. That stands in the view, or in its own record.
func (m *Machine) saidFenced(a protocol.BeatAnswer) {
	if slices.ContainsFunc(m.history.View().Gone, func(d protocol.Departure) bool { return d.Incarnation == m.self }) {
		m.reincarnate("view " + itoa(m.viewNumber()) + " says so: " + protocol.Cut(a.Detail, protocol.MaxText))
		return
	}
	m.history.hinted(a.Revision, m.now.Mono)
	m.readOwnKey()
}

// nameHolder reports whether this node knows another incarnation that has its name: as a member, or by its record.
func (m *Machine) nameHolder() bool {
	k, x := m.nodes.Get(m.self.Node), m.history.View().Member(m.self.Node)
	return x != nil && x.ID != m.self.ID || k != nil && k.ID != m.self.ID && k.Status.Alive()
}

// nameTaken gives up when the name's holder has lived on for longer than a dead one could have.
func (m *Machine) nameTaken(a protocol.BeatAnswer) {
	b := &m.beats
	if !m.nameHolder() {
		m.readAgain(protocol.NodesBucket)
		b.taken = 0
		return
	}
	if b.taken == 0 {
		b.taken, b.refusals = m.now.Mono, 0
	}
	most := 2 * m.settings().Lease.Std()
	if b.refusals++; b.refusals < int(most/(4*beatRetry)) || m.now.Mono-b.taken < most {
		return // this process may have been paused between two of them
	}
	m.do(Refused{protocol.Problem{
		Code:    protocol.CodeConflict,
		Message: "name: a living node of hub " + m.cfg.Hub + " is called " + m.self.Node + " (" + protocol.Cut(a.Detail, protocol.MaxText) + ")",
		Try:     "another name, or stop that node first",
	}})
}
