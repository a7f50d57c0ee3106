package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Pledges let a coordinator that hangs be replaced after a lease instead of after its authority, which
// must outlive the election of a stream's leader. They are a third keeper, beside its own record and
// the proof by its connection:
//
//   - a member that is answered by the coordinator pledges not to help replace it for a lease, and says
//     so in its next heartbeat;
//   - the coordinator acts only as long as a majority of the members stands behind it, itself among
//     them, or its own record was accepted within a lease; and never beyond its authority;
//   - a member that has not been answered for a lease withdraws: it writes into its record that it
//     pledges nothing to this coordinator any more before the view has changed;
//   - when so many have withdrawn that no majority is left, whoever fences the coordinator's record has
//     to wait no longer than a lease after the last one that was accepted.
//
// The coordinator counts a pledge from when it answered, the member from when the answer arrived, which is
// later; the coordinator's share of the time is shorter by the margin. So the one has ended before the other
// is withdrawn. A withdrawal is for one view: whoever relies on it commits the next one by
// compare-and-set, and fails if there is another already. Leases that are held by a majority of the
// followers are known from Raft (Ongaro's thesis, section 6.4.1).
//
// In a view of fewer than pledgers members a majority is too easily lost together with a stream's
// leader: there the authority alone counts, as it does for whoever has to wait in any view.

// pledgers is the least number of members that replace a coordinator by their withdrawals.
const pledgers = 3

// pledge is a member's side.
type pledge struct {
	answered  time.Duration // when the coordinator's last answer arrived
	number    uint64        // of the heartbeat that it answered
	view      uint64        // the newest, and since when this node knows it
	since     time.Duration
	withdrawn uint64 // the view in which nothing is pledged any more; 0: none
}

// pledged takes an answer by the coordinator.
func (c *candidacy) pledged(now time.Duration, number uint64) {
	c.pledge.answered, c.pledge.number = now, number
}

// pledges returns what a heartbeat says. It names the coordinator: an earlier one that did not hear of its
// end may receive the heartbeat as well.
func (m *Machine) pledges() protocol.Pledge {
	v, p := m.history.View(), &m.coord.pledge
	if v == nil || m.coord.of != v.Coordinator || p.number == 0 || p.withdrawn == v.Number && !m.cfg.Unsafe.PledgeWithdrawn {
		return protocol.Pledge{}
	}
	return protocol.Pledge{ID: v.Coordinator.ID, Number: p.number}
}

// withdraw takes the pledge back once the coordinator has not answered for a lease, nor decided anything.
func (m *Machine) withdraw(v *protocol.View) {
	p := &m.coord.pledge
	if p.view != v.Number {
		p.view, p.since = v.Number, m.now.Mono
	}
	if p.withdrawn == v.Number || len(v.Members) < pledgers || !v.Has(m.self) || m.beats.silent == 0 {
		return
	}
	if m.silence(max(m.coord.since, p.since, p.answered)) >= m.settings().Lease.Std() || m.cfg.Unsafe.WithdrawEarly {
		p.withdrawn = v.Number
		m.key.urgent = true
	}
}

// withdrawal is what this node's record says.
func (m *Machine) withdrawal() protocol.Withdrawal {
	v := m.history.View()
	if v == nil || m.coord.pledge.withdrawn != v.Number || m.coord.of != v.Coordinator {
		return protocol.Withdrawal{}
	}
	return protocol.Withdrawal{ID: v.Coordinator.ID, View: v.Number}
}

// withdrew reports whether a member's record says that it pledges nothing more in the view.
func (m *Machine) withdrew(v *protocol.View, x protocol.Incarnation) bool {
	k := m.nodes.Get(x.Node)
	return k != nil && k.ID == x.ID && k.Withdrew == protocol.Withdrawal{ID: v.Coordinator.ID, View: v.Number}
}

// abandoned reports whether the coordinator can't have a majority behind it again before the view has
// changed.
func (m *Machine) abandoned(v *protocol.View) bool {
	if len(v.Members) < pledgers || !v.Has(v.Coordinator) {
		return false
	}
	left := 0
	for _, x := range v.Members {
		if x.Incarnation == v.Coordinator || !m.withdrew(v, x.Incarnation) && !m.onceWithdrew(v, x.Incarnation) {
			left++
		}
	}
	return left < majority(v.Members)
}

// onceWithdrew reports whether a member withdrew in an earlier view, which counts for nothing.
func (m *Machine) onceWithdrew(v *protocol.View, x protocol.Incarnation) bool {
	k := m.nodes.Get(x.Node)
	return m.cfg.Unsafe.OldWithdrawals && k != nil && k.ID == x.ID && k.Withdrew.ID == v.Coordinator.ID
}

func majority(members []protocol.Member) int { return len(members)/2 + 1 }

// answer is a heartbeat that the coordinator answered, and when.
type answer struct {
	number uint64
	at     time.Duration
}

// answersKept is how many answers a coordinator remembers: a heartbeat speaks of the last that arrived.
const answersKept = 4

// answering notes that a heartbeat is answered now. One that is answered again, because somebody sent it again, or after a later
// one, says nothing of when the answer was sent that a pledge names.
func (p *peer) answering(now time.Duration, number uint64) {
	if n := len(p.answers); n > 0 && number <= p.answers[n-1].number {
		return
	}
	p.answers = append(p.answers, answer{number, now})
	if len(p.answers) > answersKept {
		p.answers = p.answers[1:]
	}
}

// takePledge takes what a heartbeat pledges to this coordinator.
func (m *Machine) takePledge(p *peer, to protocol.Pledge) {
	if to.ID != m.self.ID && !m.cfg.Unsafe.PledgeToAnyone {
		return
	}
	for _, a := range p.answers {
		switch {
		case a.number != to.Number:
		case m.cfg.Unsafe.PledgeFromArrival:
			p.pledged = m.now.Mono
		default:
			p.pledged = max(p.pledged, a.at)
		}
	}
}

// backed returns until when this coordinator may act: its authority ends with its own record's, and
// sooner unless a majority or the record's last renewal stands behind it. That must hold in the present
// view, and in each that it may have committed without knowing it.
func (m *Machine) backed() time.Duration {
	until := m.key.accepted + m.term() - m.margin(m.term())
	until = min(until, m.backedBy(m.history.View().Members))
	for _, members := range m.lead.proposed {
		until = min(until, m.backedBy(members))
	}
	return until
}

func (m *Machine) backedBy(members []protocol.Member) time.Duration {
	if len(members) < pledgers || m.cfg.Unsafe.NoBacking {
		return forever
	}
	lease := m.settings().Lease.Std()
	return max(m.key.accepted, m.pledgedBy(members)) + lease - m.margin(lease)
}

const forever = time.Duration(1<<63 - 1)

// pledgedBy returns since when a majority of members, this one included, has pledged.
func (m *Machine) pledgedBy(members []protocol.Member) time.Duration {
	var since []time.Duration
	for _, x := range members {
		if p := m.lead.peers[x.Node]; p != nil && p.in == x.Incarnation && p.pledged > 0 {
			since = append(since, p.pledged)
		}
	}
	others := majority(members) - 1
	if len(since) < others {
		return 0
	}
	slices.Sort(since)
	return since[len(since)-others]
}

// propose notes that a view with these members may be committed from now on, and lets go of the trust
// that would be too much then.
func (m *Machine) propose(members []protocol.Member) {
	if m.lead != nil && !m.cfg.Unsafe.NoProposals {
		m.lead.proposed = append(m.lead.proposed, members)
		m.setTrust()
	}
}

// backing renews the own record at the pace of heartbeats while no majority of pledges is fresh.
func (m *Machine) backing() {
	v, beat := m.history.View(), m.settings().Heartbeat.Std()
	if len(v.Members) >= pledgers && m.now.Mono-m.pledgedBy(v.Members) > 2*beat {
		m.key.next = min(m.key.next, max(m.key.accepted, m.key.sent)+beat)
	}
}

// reassured reports whether a member that is heard of has withdrawn, so that it needs a new view to
// pledge again.
func (m *Machine) reassured() bool {
	v := m.history.View()
	for _, x := range v.Members {
		p := m.lead.peers[x.Node]
		if p != nil && p.in == x.Incarnation && p.fence == unfenced && m.withdrew(v, x.Incarnation) && m.now.Mono-p.heard < m.settings().Heartbeat.Std() {
			return true
		}
	}
	return false
}
