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
	view     uint64        // the newest view when the one under way was sent
	behind   int           // answers in a row by a coordinator that knew an older one
	again    int           // heartbeats in a row that had to be sent again soon
	late     []flight      // those that were not answered in time, at most lateMost: their answers still count
}

// flight is a heartbeat that is under way.
type flight struct {
	number uint64
	sent   time.Duration
	view   uint64 // the newest then
}

// lateMost is how many heartbeats may be answered late. One goes out with each interval.
const lateMost = 8

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
	b.sent, b.view = m.now.Mono, m.viewNumber()
	b.number++
	b.next = m.now.Mono + m.settings().Heartbeat.Std()
	m.do(SendBeat{Missing: m.missing(), Beat: protocol.Beat{
		V: 1, Incarnation: m.self, Number: b.number, Conn: *m.conn, Status: m.ownStatus(),
		Labels: m.cfg.Labels, Capacity: m.cfg.Capacity, Kinds: m.cfg.Kinds, View: m.viewNumber(), Report: m.ownReport(),
		Confirms: m.confirms(), Pledge: m.pledges(), Hub: m.hub(), Domain: m.domain,
	}})
}

// beatRetry is how soon a heartbeat that nobody received, or that must wait, is sent again; in a large hub each further one
// after twice that time, up to the usual interval. What ends the waiting is heard of by itself: a new view, a call by the coordinator.
const beatRetry = 25 * time.Millisecond

// beatAnew has the next heartbeat sent at once where it may have been put off: who answers has changed, or the answer will.
func (m *Machine) beatAnew() {
	if m.beats.again > 1 && m.beyond() > 0 {
		m.beats.next, m.beats.again = m.now.Mono, 0
	}
}

// retryBeat has the next heartbeat sent before its time.
func (m *Machine) retryBeat() {
	b := &m.beats
	most := min(max(beatRetry, m.beyond()*beatRetry), m.settings().Heartbeat.Std())
	b.next = m.now.Mono + min(beatRetry<<min(b.again, 8), most)
	b.again++
}

func (m *Machine) beatAnswered(e BeatAnswered) {
	b := &m.beats
	if e.Outcome == Done && m.fromOther(&e.Answer) {
		e.Outcome = OutcomeUnknown
	}
	if e.Outcome == Done && e.Answer.Coordinator == m.coord.of {
		m.coord.heard = m.now.Mono
	}
	if !b.busy || e.Number != b.number {
		m.lateAnswer(e)
		return
	}
	b.busy, b.asked = false, true
	if e.Outcome == OutcomeUnknown {
		b.overdue()
	}
	if e.Outcome == Done && !m.fromCoordinator(e.Answer) {
		e.Outcome = OutcomeUnknown
	}
	if e.Outcome != Done {
		b.silent++
		b.taken = 0 // the coordinator may have had no time to find out whether the name's holder lives
		if pause := m.beatPause(); pause > beatRetry {
			b.next = m.now.Mono + pause
		} else {
			m.retryBeat()
		}
		m.key.next = min(m.key.next, max(m.key.accepted, m.key.sent)+m.recordPace())
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

// overdue notes that the heartbeat under way was not answered in time.
func (b *beats) overdue() {
	b.late = append(b.late, flight{b.number, b.sent, b.view})
	if len(b.late) > lateMost {
		b.late = b.late[1:]
	}
}

// lateAnswer takes the answer to an earlier heartbeat than the last one. It grants what it would have granted in time: from
// when its heartbeat was sent. A coordinator that has no time keeps its members if they only wait for it.
func (m *Machine) lateAnswer(e BeatAnswered) {
	b := &m.beats
	i := slices.IndexFunc(b.late, func(f flight) bool { return f.number == e.Number })
	if i < 0 || e.Outcome != Done || m.cfg.Unsafe.LateIsLost {
		return
	}
	f := b.late[i]
	b.late = slices.Delete(b.late, i, i+1)
	if !m.fromCoordinator(e.Answer) || !e.Answer.Accepted || e.Answer.View < f.view || m.departed(e.Answer) {
		return
	}
	b.silent, b.answered = 0, max(b.answered, f.sent)
	m.coordAnswered(e.Number, e.Answer)
	m.renew(f.sent, m.settings().Lease.Std())
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
	m.retryBeat()
	if m.beats.behind++; m.beats.behind > 1 {
		m.reload(protocol.PlacementBucket)
	}
}

// departed reports whether an answer grants another membership than the one that this node follows.
func (m *Machine) departed(a protocol.BeatAnswer) bool {
	x := m.history.View().Member(m.self.Node)
	return x != nil && x.Incarnation == m.self && a.Since != 0 && a.Since != x.Since && !m.cfg.Unsafe.AnyMembership
}

func (m *Machine) beatAccepted(a protocol.BeatAnswer) {
	b := &m.beats
	if m.departed(a) {
		m.history.hinted(a.Revision, m.now.Mono) // in a view that it missed
		return
	}
	b.answered, b.taken, b.behind, b.again = b.sent, 0, 0, 0
	m.renew(b.sent, m.settings().Lease.Std())
	m.vouched(a.Record)
	// What the answer before this one knew must have arrived by now.
	m.history.hinted(b.revision, m.now.Mono)
	m.specs.hinted(b.specs, m.now.Mono)
	b.revision, b.specs = a.Revision, a.Specs
	m.stuck = max(a.Stuck, 0)
}

func (m *Machine) beatRefused(a protocol.BeatAnswer) {
	b := &m.beats
	switch a.Refused {
	case protocol.RefusedFenced:
		m.retryBeat()
		m.saidFenced(a)
	case protocol.RefusedTaken:
		b.next = m.now.Mono + beatRetry
		if slices.Contains(m.former, a.Holder) {
			b.taken = 0 // nobody else has it
			return
		}
		m.nameTaken(a)
	case protocol.RefusedConfig, protocol.RefusedWait, protocol.RefusedLeft, protocol.RefusedHub:
		m.retryBeat()
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
