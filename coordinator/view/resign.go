package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// A coordinator that drains resigns, before it gives anything else away: its last view names a successor (protocol.View's
// field of that name). By that view nobody coordinates. Whoever commits the next one does: the successor at once; if that
// is not possible for it, the others one after the other; and last of all the one that resigned.
//
//	drains --a successor is heard, own record new, no request waits--> sent the view --stored--> a member like others
//	                                                                   |
//	                                                                   +--not stored--> commits another view, and leads on
//
// It grants nothing and answers nothing from before the view is sent, because it may be stored without its knowing. So
// there is nothing to wait for, and its record needs no fence: of all who commit the next view, compare-and-set lets one. The
// new coordinator takes all nodes as just seen, as after any takeover, which covers what was granted before. The one that resigned
// trusts itself by its own record from then on, as a member does when nobody answers its heartbeats.

const (
	// resignWait is for how long a coordinator that drains keeps its role for the sake of requests that wait. New ones are
	// handed on meanwhile.
	resignWait = 3 * time.Second
	// resignAgain is for how long one that did not get rid of the role does not try again.
	resignAgain = 2 * time.Second
)

// resigning is what a coordinator knows of its own resignation.
type resigning struct {
	since time.Duration // since when it wants to; 0: it does not
	sent  bool          // the view that says so may be stored
}

// decideResign commits the last view of a coordinator that drains, and reports whether it did. The role goes before all
// else that the node has.
func (m *Machine) decideResign() bool {
	v, r := m.history.View(), &m.lead.resign
	to := m.successor(v)
	if x := v.Member(m.self.Node); to.ID == "" || x == nil || x.Incarnation != m.self || !x.Draining || m.now.Mono < m.resignNext {
		r.since = 0
		return false
	}
	if r.since == 0 {
		r.since = max(m.now.Mono, 1)
	}
	switch waited := m.now.Mono - r.since; {
	case waited >= 2*resignWait: // the own record can't be written
		r.since, m.resignNext = 0, m.now.Mono+resignAgain
		return false
	case m.requestsWait() && waited < resignWait:
		return false
	case !m.key.fresh || m.now.Mono-m.key.accepted > m.settings().Heartbeat.Std():
		m.refreshKey()
		return false
	}
	r.sent = true
	m.renew(m.key.accepted, m.resignedTerm())
	m.note(Info, "resigns as the coordinator of hub %s, because it drains: %s is to follow", m.cfg.Hub, to.Node)
	m.commit("resigned", nil, func(next *protocol.View) { next.Successor = to })
	return true
}

// resignedTerm is for how long others wait for a member.
func (m *Machine) resignedTerm() time.Duration {
	if m.cfg.Unsafe.TrustResigned {
		return m.settings().Authority.Std()
	}
	return m.settings().Lease.Std()
}

// handsOn reports whether a request is for the next coordinator, because this one is about to resign, and would have to wait for
// what it begins.
func (m *Machine) handsOn(verb string) bool {
	r := &m.lead.resign
	return r.sent || r.since > 0 && (verb == protocol.VerbStart || verb == protocol.VerbUpdate || verb == protocol.VerbStop || verb == protocol.VerbMove)
}

// NotMine is the answer to a request that reached a node which does not coordinate: nothing was done.
func NotMine() *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeHandedOn, Message: "this node does not coordinate any more; nothing was done", Try: "again"}
}

// handedOn is the answer to a request of which nothing was done.
func (m *Machine) handedOn() *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeHandedOn, Message: "the coordinator " + m.self.Node + " hands its role on; nothing was done", Try: "again"}
}

// mayResign reports whether somebody could follow this coordinator.
func (m *Machine) mayResign() bool {
	return m.lead.resign.sent || m.successor(m.history.View()).ID != ""
}

// requestsWait reports whether somebody waits for what was begun, or it is not stored.
func (m *Machine) requestsWait() bool {
	l := m.lead
	return len(l.waits.all) > 0 || l.desired.op != nil || len(l.desired.queue) > 0
}

// resignDue has a coordinator that does not know whether the view is stored by which it resigned commit another one. It needs no
// authority for that, as a takeover needs none: of both one is refused.
func (m *Machine) resignDue() {
	r := &m.lead.resign
	if !r.sent || m.op != nil || !m.ready() || m.leaving || m.holdsBack(protocol.PlacementBucket) || m.viewHidden() {
		return
	}
	m.resignNext = m.now.Mono + resignAgain
	m.commit("did not resign", nil, nil)
}

// resignEnds gives up the role when there is no telling whether somebody followed: the successor's view may have stood where something
// else does now, and another view of this node's would not be refused.
func (m *Machine) resignEnds() {
	if m.lead != nil && m.lead.resign.sent && m.op == nil && m.ready() && !m.leaving && m.viewHidden() {
		m.reincarnate("it may have resigned and been followed, and the view was overwritten")
	}
}

// successor is who is to follow this coordinator: a member that does not drain, and was heard a moment ago; of those the
// one that follows the newest view.
func (m *Machine) successor(v *protocol.View) protocol.Incarnation {
	var best *peer
	for _, x := range v.Members {
		p := m.lead.peers[x.Node]
		if x.Draining || p == nil || p.in != x.Incarnation || p.member.Draining || p.fence != unfenced || p.suspect || p.view == 0 {
			continue
		}
		if m.now.Mono-p.heard <= m.settings().Heartbeat.Std()*3/2 && (best == nil || p.view > best.view) {
			best = p
		}
	}
	if best == nil {
		return protocol.Incarnation{}
	}
	return best.in
}

// followResigned takes the role over from a coordinator that resigned, when it is this node's turn.
func (m *Machine) followResigned(v *protocol.View) {
	c := &m.coord
	if c.resigned != v.Number {
		c.resigned, c.vacant = v.Number, m.now.Mono
	}
	if m.unsure(v) || m.newcomer() && !m.beats.asked || m.now.Mono < c.retry || m.now.Mono < c.vacant+m.turn(v) {
		return
	}
	if !m.mayCommit() {
		m.refreshKey()
		return
	}
	c.retry = m.now.Mono + rankStep
	if v.Coordinator == m.self {
		m.resignNext = m.now.Mono + resignAgain
	}
	m.note(Info, "taking over from the coordinator %s, which resigned", v.Coordinator.Node)
	m.commit("resigned", nil, func(next *protocol.View) { m.succeed(next, v) })
}

// succeed makes the view after v one of this node's, which did not coordinate by v.
func (m *Machine) succeed(next, v *protocol.View) {
	if m.history.unsure && !m.cfg.Unsafe.KeepMissed {
		m.departMissed(next, v.Number)
	}
	if !v.Has(m.self) && next.Member(m.self.Node) == nil {
		m.admit(next, m.selfMember())
	}
}

// turn is for how long this node leaves it to others to follow a coordinator that resigned. First comes whom it named, then the other
// members that don't drain, those that do, who is no member, and last the one that resigned itself.
func (m *Machine) turn(v *protocol.View) time.Duration {
	switch {
	case v.Successor == m.self:
		return 0
	case v.Coordinator == m.self: // the others may be busy
		return time.Duration(len(v.Members))*rankStep + 2*m.settings().Heartbeat.Std()
	case !v.Has(m.self):
		return time.Duration(len(v.Members)+1) * rankStep
	}
	order := slices.Clone(v.Members)
	slices.SortStableFunc(order, func(x, y protocol.Member) int {
		switch {
		case x.Draining == y.Draining:
			return 0
		case y.Draining:
			return -1
		}
		return 1
	})
	return time.Duration(1+slices.IndexFunc(order, func(x protocol.Member) bool { return x.Incarnation == m.self })) * rankStep
}
