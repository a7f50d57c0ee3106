package view

import "github.com/phub-io/phub/protocol"

// answerBeat answers a heartbeat. Only a member that no fence stands in the way of is granted a
// lease, and only while this node has authority.
func (m *Machine) answerBeat(e BeatReceived) {
	if m.lead == nil || m.conn == nil {
		return // the sender asks again, whoever answers then
	}
	a := protocol.BeatAnswer{
		V: 1, Coordinator: m.self, To: e.Beat.ID, Number: e.Beat.Number, Conn: *m.conn, View: m.viewNumber(), Revision: m.history.Last(), Specs: m.specs.Last(),
	}
	a.Refused, a.Detail = m.refuse(e.Beat)
	a.Accepted = a.Refused == ""
	a.Hub, a.Domain = m.hub(), m.domain
	if a.Refused == protocol.RefusedTaken {
		a.Holder = m.holderOf(e.Beat.Node)
	}
	if p := m.lead.peers[e.Beat.Node]; p != nil && p.in == e.Beat.Incarnation {
		p.answering(m.now.Mono, e.Beat.Number)
	}
	if a.Accepted {
		a.Record = m.nodes.sure[e.Beat.Node]
	}
	if x := m.history.View().Member(e.Beat.Node); a.Accepted && x != nil {
		if a.Since = x.Since; x.Draining {
			a.Stuck = m.stuckOn(x.Node)
		}
	}
	m.do(AnswerBeat{ID: e.ID, Answer: a})
}

// holderOf returns the incarnation that has a name.
func (m *Machine) holderOf(node string) string {
	if p := m.lead.peers[node]; p != nil {
		return p.in.ID
	}
	return m.self.ID
}

// refuse takes a heartbeat, and returns why it is not granted; "" if it is.
func (m *Machine) refuse(b protocol.Beat) (protocol.Refusal, string) {
	if err := protocol.ValidateNode(b.Node); err != nil {
		return protocol.RefusedConfig, err.Error()
	}
	if refused, why := m.refusesOther(&b); refused != "" {
		return refused, why
	}
	if b.Node == m.self.Node {
		return protocol.RefusedTaken, "incarnation " + m.self.ID + ", the coordinator"
	}
	if b.View < m.lead.since && !m.cfg.Unsafe.OldBeats {
		return protocol.RefusedWait, "it follows view " + itoa(b.View) + ", from before this coordinator's time, which began with view " + itoa(m.lead.since)
	}
	p := m.lead.peers[b.Node]
	if p == nil || p.in != b.Incarnation {
		if !m.ready() {
			return protocol.RefusedWait, "the coordinator reads what it missed"
		}
		return m.stranger(b, p)
	}
	if b.Number <= p.number && !m.cfg.Unsafe.OldReports {
		return protocol.RefusedWait, "a later heartbeat has arrived already"
	}
	p.heard, p.number, p.confirm = m.now.Mono, b.Number, b.Confirms
	p.conn, p.report, p.hidden, p.view = b.Conn, b.Report, p.hidden && p.fence != unfenced, b.View
	m.countRefused(p)
	m.takePledge(p, b.Pledge)
	p.member.Labels, p.member.Capacity, p.member.Draining, p.member.Kinds = b.Labels, b.Capacity, b.Status == protocol.Draining, b.Kinds
	m.peerReported(p)
	switch {
	case p.fence != unfenced && m.cfg.Unsafe.GrantFenced:
	case p.fence == fenced:
		return protocol.RefusedFenced, "it was silent for too long"
	case p.fence == fencing:
		return protocol.RefusedWait, "being fenced"
	case !m.authority() && !m.cfg.Unsafe.GrantAnyway:
		return protocol.RefusedWait, "the coordinator can't renew its own key at this moment"
	case !m.history.View().Has(b.Incarnation):
		m.watchRecord(b)
		return protocol.RefusedWait, "being admitted"
	}
	p.seen, p.suspect = m.now.Mono, false
	if m.cfg.Unsafe.AuthorityByGrants {
		m.key.accepted = m.now.Mono
	}
	return "", ""
}

// stranger takes a heartbeat of an incarnation that is not known.
func (m *Machine) stranger(b protocol.Beat, holder *peer) (protocol.Refusal, string) {
	v := m.history.View()
	for _, d := range v.Gone {
		if d.Incarnation == b.Incarnation {
			return protocol.RefusedFenced, "removed in view " + itoa(d.Until)
		}
	}
	if k := m.nodes.Get(b.Node); k != nil && k.ID == b.ID && !k.Status.Alive() {
		return protocol.RefusedFenced, "its record says " + string(k.Status)
	}
	if holder == nil {
		if len(m.lead.peers) >= len(v.Members)+maxJoining {
			return protocol.RefusedWait, "as many nodes as may ask to join already"
		}
		m.lead.peers[b.Node] = m.joining(b)
		m.watchRecord(b)
		return protocol.RefusedWait, "being admitted"
	}
	holder.suspect = true
	m.askPeer(holder)
	if k := m.nodes.Get(b.Node); !v.Has(holder.in) && (holder.fence == fenced || k != nil && k.ID == b.ID) {
		m.lead.peers[b.Node] = m.joining(b)
		return protocol.RefusedWait, "being admitted"
	}
	if sign := max(holder.heard, m.lastSign(holder)); holder.fence != unfenced || m.now.Mono-sign >= m.settings().Lease.Std() {
		return protocol.RefusedWait, "incarnation " + holder.in.ID + " of that name is being removed"
	}
	if holder.conn == b.Conn { // one process has both, and this is its present one
		return protocol.RefusedWait, "incarnation " + holder.in.ID + ", which had the same connection, is being removed"
	}
	return protocol.RefusedTaken, "incarnation " + holder.in.ID
}

// maxJoining is how many nodes may be about to join: anybody who may send heartbeats may name as many as he likes.
const maxJoining = 256

// joining starts to watch a node that asks to become a member.
func (m *Machine) joining(b protocol.Beat) *peer {
	p := m.newPeer(b.Incarnation, protocol.Member{Incarnation: b.Incarnation, Labels: b.Labels, Capacity: b.Capacity, Kinds: b.Kinds})
	p.conn, p.number = b.Conn, b.Number
	return p
}

// watchRecord looks whether the newcomer's name is held by a record of an incarnation that is no
// member: one that died before it was admitted. It is watched in the newcomer's place until it is
// fenced.
func (m *Machine) watchRecord(b protocol.Beat) {
	k := m.nodes.Get(b.Node)
	if k == nil || k.ID == b.ID || !k.Status.Alive() {
		return
	}
	p := m.newPeer(k.Incarnation, protocol.Member{Incarnation: k.Incarnation})
	p.seen, p.suspect = k.Seen, true
	m.lead.peers[b.Node] = p
}

// leadReport takes what the running side of the coordinator's own node says.
func (m *Machine) leadReport() {
	if m.lead != nil {
		m.reported(m.self.Node, m.ownReport())
	}
}

func (m *Machine) peerReported(p *peer) { m.reported(p.in.Node, p.report) }

// reportOf returns what a member said last, and whether it said anything.
func (m *Machine) reportOf(node string) (protocol.Report, bool) {
	if node == m.self.Node {
		return m.ownReport(), true
	}
	if p := m.lead.peers[node]; p != nil {
		return p.report, true
	}
	return protocol.Report{}, false
}
