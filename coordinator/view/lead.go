package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// lead is what a node keeps while it is the coordinator. All that it decides on is in the buckets or
// comes again with the next heartbeats, so a successor starts from nothing.
type lead struct {
	peers map[string]*peer // members but this node, and joining ones; by name

	desired   desired
	placing   placing
	controls  []*pendingControl
	announce  announcer
	standIn   standIn
	badKnown  map[string]bool // bad keys that were reported
	listening bool
	looked    time.Duration // when the buckets' ends were last looked at
	woke      time.Duration // when members were last asked for a heartbeat
	news      bool          // something happened on which the answer to a control request may depend
	// inherits says that not all is read yet of what its predecessors had stored in the children bucket:
	// what arrives is taken as theirs, and nothing that rests on specs is decided.
	inherits bool
	renews   bool // what they stored and nobody placed is to be written again
	// proposed has the members of views that may have been committed, by this node, without its knowing.
	proposed [][]protocol.Member
}

// peer is another node as the coordinator sees it.
type peer struct {
	in      protocol.Incarnation
	conn    protocol.Conn
	member  protocol.Member // as it describes itself
	confirm protocol.Conn   // the connection of this coordinator that it confirmed
	since   time.Duration   // since when it is watched
	seen    time.Duration   // its last heartbeat that was accepted; at a takeover: then
	heard   time.Duration   // its last heartbeat, accepted or not
	number  uint64          // of that heartbeat
	report  protocol.Report
	fence   fence
	closed  map[protocol.Conn]bool // connections that are known to be closed
	suspect bool
	asked   time.Duration
	probed  time.Duration
	answers []answer      // the last ones that were sent
	pledged time.Duration // when the newest that it pledges by was sent; 0: none
	kick    kick
}

// fence is how far the removal of a node is.
type fence int

const (
	unfenced fence = iota
	fencing        // the compare-and-set is under way: heartbeats are not answered
	fenced         // no write of this incarnation is accepted any more
)

// takeRole starts to coordinate: a committed view names this incarnation.
func (m *Machine) takeRole() {
	v := m.history.View()
	m.note(Info, "coordinator of hub %s from view %d on", m.cfg.Hub, v.Number)
	m.lead = newLead()
	for _, x := range v.Members {
		if x.Incarnation != m.self {
			m.lead.peers[x.Node] = m.newPeer(x.Incarnation, x)
		}
	}
	m.key.urgent = true
	m.beats.reset()
	m.lead.inherits, m.lead.renews = !m.cfg.Unsafe.NoInherit, !m.cfg.Unsafe.NoRenewal
	m.readAgain(protocol.ChildrenBucket)
	m.leadLoaded()
}

func newLead() *lead {
	l := &lead{peers: map[string]*peer{}, badKnown: map[string]bool{}}
	l.placing.reset()
	l.standIn.reset()
	return l
}

// newPeer starts to watch a node. It is taken as just seen, because a predecessor may have granted it
// a lease at any moment until now.
func (m *Machine) newPeer(in protocol.Incarnation, x protocol.Member) *peer {
	p := &peer{in: in, member: x, since: m.now.Mono, seen: m.now.Mono, heard: m.now.Mono, closed: map[protocol.Conn]bool{}}
	if m.cfg.Unsafe.NotJustSeen {
		p.seen = 0
	}
	return p
}

// stepDown ends the role, if this node holds it.
func (m *Machine) stepDown(why string) {
	if m.lead == nil {
		return
	}
	m.note(Info, "no longer coordinator of hub %s: %s", m.cfg.Hub, why)
	m.standDown()
	m.lead = nil
	m.trust.drop("no longer coordinator")
	m.do(Lead{On: false})
}

func (l *lead) disconnected() {
	l.listening = false
	clear(l.standIn.standing)
	l.desired.interrupt()
	l.controls = nil // their callers' answers went with the connection
	for _, p := range l.peers {
		if p.fence == fencing { // so did the fence's; what became of it the key says
			p.fence = unfenced
		}
	}
}

// leadStep takes the events that concern only the coordinator.
func (m *Machine) leadStep(e Event) {
	switch e := e.(type) {
	case Committed:
		m.committedOp(e)
	case BeatReceived:
		m.answerBeat(e)
	case ControlReceived:
		m.control(e)
	case SpecsWritten:
		m.specsWritten(e)
	case LeadFailed:
		if m.lead != nil {
			m.lead.listening = false
		}
	}
}

// leadCommit follows a commit: a view that names another coordinator ends the role.
func (m *Machine) leadCommit(c Commit) {
	switch {
	case m.lead == nil && c.After.Coordinator == m.self && (c.Before == nil || c.Before.Coordinator != m.self):
		m.takeRole()
	case m.lead == nil:
		return
	case c.After.Coordinator != m.self:
		m.stepDown("view " + itoa(c.After.Number) + " names " + c.After.Coordinator.Node)
		return
	}
	m.lead.proposed = nil // none of them can be committed any more
	m.leadMembers(c)
	m.announceCommit(c)
	m.placingCommit(c)
}

func (m *Machine) leadMembers(c Commit) {
	if sameMembers(c.Before, c.After) {
		return
	}
	l := m.lead
	for _, x := range c.After.Members {
		if p := l.peers[x.Node]; x.Incarnation != m.self && (p == nil || p.in != x.Incarnation) {
			l.peers[x.Node] = m.newPeer(x.Incarnation, x)
		} else if p != nil && !c.Before.Has(x.Incarnation) {
			p.seen = m.now.Mono
		}
	}
	for _, node := range sortedKeys(l.peers) {
		p := l.peers[node]
		if c.Before.Has(p.in) && !c.After.Has(p.in) {
			delete(l.peers, node)
		}
	}
}

// listen makes this node hear what only the coordinator hears.
func (m *Machine) listen() {
	if !m.lead.listening {
		m.lead.listening = true
		m.do(Lead{On: true})
	}
}

// lookEvery is how often the coordinator looks whether it missed the last records of a bucket. The others
// hear from it what they missed; it hears of that only by what follows.
const lookEvery = 5 * time.Second

func (m *Machine) lookAgain() {
	if m.now.Mono-m.lead.looked < lookEvery {
		return
	}
	m.lead.looked = m.now.Mono
	m.readAgain(protocol.PlacementBucket)
	m.readAgain(protocol.ChildrenBucket)
}

// leadDue does what is due for the coordinator.
func (m *Machine) leadDue() {
	m.listen()
	m.lookAgain()
	m.wakePeers()
	m.backing()
	if !m.lead.inherits {
		m.renewSpecs()
	}
	for _, node := range sortedKeys(m.lead.peers) {
		m.watchPeer(m.lead.peers[node])
	}
	m.reportBad()
	if m.lead.news && (m.authority() || m.cfg.Unsafe.ActAnyway) { // a successor may know less of what this one believes to be done
		m.lead.news = false
		m.controlsDue()
	}
	m.desiredDue()
	if m.op == nil && (m.authority() || m.cfg.Unsafe.ActAnyway) && m.ready() && !m.leaving {
		m.decide()
	}
	m.announceDue()
	m.standInDue()
}

// decide starts the next commit, if one is due: membership first.
func (m *Machine) decide() {
	// Who joins has confirmed nothing, and who is removed confirms nothing more: see confirmed.
	if (m.key.fresh || m.cfg.Unsafe.ChangeMembers) && m.decideMembers() {
		return
	}
	if m.healHistory() {
		return
	}
	if m.reassured() {
		m.commit("pledges renewed", nil, nil)
		return
	}
	if !m.lead.inherits {
		m.decidePlacement()
	}
}

// watchPeer looks after one node: suspects, asks, fences.
func (m *Machine) watchPeer(p *peer) {
	c := m.settings()
	now := m.now.Mono
	if every := max(c.Probe.Std(), time.Duration(len(m.lead.peers))*probeBudget); p.fence == unfenced && now-p.probed >= every {
		p.probed = now
		m.do(Probe{Node: p.in.Node})
	}
	if now-p.heard > c.Heartbeat.Std()*3/2 {
		p.suspect = true
	}
	m.kickPeer(p)
	m.askPeer(p)
	if p.fence == unfenced && m.fenceDue(p) {
		m.fencePeer(p)
	}
}

// probeBudget is the coordinator's share of time for each node's probe: at most 200 probes a second.
const probeBudget = 5 * time.Millisecond

// askPeer asks for the connections on which a suspect was granted its lease.
func (m *Machine) askPeer(p *peer) {
	if !p.suspect || m.now.Mono-p.asked < askEvery {
		return
	}
	for _, c := range m.connsOf(p) {
		if !p.closed[c] {
			p.asked = m.now.Mono
			m.do(AskConn{Node: p.in.Node, Conn: c})
		}
	}
}

// connsOf returns the connections named by the node's last heartbeat and by its record.
func (m *Machine) connsOf(p *peer) []protocol.Conn {
	var conns []protocol.Conn
	if p.conn.Server != "" {
		conns = append(conns, p.conn)
	}
	if k := m.nodes.Get(p.in.Node); k != nil && k.ID == p.in.ID && k.Conn.Server != "" && k.Conn != p.conn {
		conns = append(conns, k.Conn)
	}
	return conns
}

// proven reports whether all of the node's connections are known to be closed.
func (m *Machine) proven(p *peer) bool {
	return m.closed(p) && m.takesProof()
}

// takesProof reports whether the hub takes a closed connection as proof.
func (m *Machine) takesProof() bool {
	return m.settings().Failover.Proves() || m.cfg.Unsafe.StrictTakesIt
}

// closed reports whether all of the node's connections were seen closed.
func (m *Machine) closed(p *peer) bool {
	if !m.connKnown(p) {
		return false
	}
	conns := m.connsOf(p)
	for _, c := range conns {
		if !p.closed[c] {
			return false
		}
	}
	return len(conns) > 0
}

// connKnown reports whether the node's last connection is known. A node that this coordinator has not heard of may
// live by another one than its record says, over which a predecessor granted it a lease: nothing is known of
// that one. Also a record that arrives after the takeover may have been written before.
func (m *Machine) connKnown(p *peer) bool {
	if p.conn.Server != "" || m.cfg.Unsafe.StaleEvidence {
		return true
	}
	k := m.nodes.Get(p.in.Node)
	return m.cfg.Unsafe.LateRecords && k != nil && k.ID == p.in.ID && k.Renewed > p.since
}

func (m *Machine) leftInOrder(p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	return k != nil && k.ID == p.in.ID && k.Status == protocol.Left
}

// fenceDue reports whether the node's removal is to begin: it is proven to be gone, its record says
// so, or neither keeper of its lease has heard of it for most of the lease.
func (m *Machine) fenceDue(p *peer) bool {
	if !m.authority() || m.leaving {
		return false
	}
	k := m.nodes.Get(p.in.Node)
	switch member := m.history.View().Has(p.in); {
	case k != nil && k.ID == p.in.ID && !k.Status.Alive(), k != nil && k.ID != p.in.ID && member && m.knowsSince(p.since):
		p.fence = fenced // by a predecessor, or by its own leaving
		return false
	case k != nil && k.ID != p.in.ID:
		if member {
			m.refreshKey() // whether it came later is known after that
		}
		return false // another incarnation's record is not to be overwritten for its sake
	}
	return m.proven(p) || m.now.Mono-m.lastSign(p) > m.settings().Lease.Std()*3/4
}

// lastSign is when either keeper of the node's lease accepted a renewal last, or later.
func (m *Machine) lastSign(p *peer) time.Duration {
	if k := m.nodes.Get(p.in.Node); k != nil {
		return max(p.seen, k.renewed(p.in))
	}
	return p.seen
}

func (m *Machine) fencePeer(p *peer) {
	reason := "silent for " + (m.now.Mono - m.lastSign(p)).Round(time.Millisecond).String()
	if m.proven(p) {
		reason = "its connection is closed"
	}
	var last protocol.NodeRecord
	if k := m.nodes.Get(p.in.Node); k != nil && k.ID == p.in.ID {
		last = k.NodeRecord
	} else {
		last.Conn = p.conn
	}
	if p.fence = fencing; m.cfg.Unsafe.NoFence {
		p.fence = fenced
		return
	}
	m.note(Warn, "fencing %s: %s", p.in.Node, reason)
	m.do(WriteNode{Record: m.fenceOf(p.in, last, reason), Last: m.nodes.Revision(p.in.Node)})
}

// leadFenced takes the result of a fence. One that failed is decided anew from the key as it is.
func (m *Machine) leadFenced(node string, done bool) {
	if m.lead == nil {
		return
	}
	if p := m.lead.peers[node]; p != nil && p.fence == fencing {
		p.fence = unfenced
		if done {
			p.fence = fenced
		}
	}
}

// leadNode looks at a node's new record: one that says that the node has ended is a fence.
func (m *Machine) leadNode(node string) {
	if m.lead == nil || m.lead.peers[node] == nil {
		return
	}
	p := m.lead.peers[node]
	if k := m.nodes.Get(node); k != nil && p.fence == unfenced && k.ID == p.in.ID && !k.Status.Alive() {
		p.fence = fenced
	}
}

func (m *Machine) leadNobody(node string) {
	if m.lead == nil || m.lead.peers[node] == nil {
		return
	}
	p := m.lead.peers[node]
	p.suspect = true
	m.askPeer(p)
}

func (m *Machine) leadConn(e ConnAnswered) {
	if m.lead == nil || m.lead.peers[e.Node] == nil {
		return
	}
	p := m.lead.peers[e.Node]
	switch e.Evidence {
	case Closed:
		p.closed[e.Conn] = true
	case Open:
		p.suspect = false
		if e.Conn == p.conn {
			p.kick.open = m.now.Mono
		}
	case Unknown:
	}
}

// over reports whether nothing that the fenced node was granted can still hold.
func (m *Machine) over(p *peer) bool {
	if p.fence != fenced {
		return false
	}
	k := m.nodes.Get(p.in.Node)
	if k != nil && k.ID == p.in.ID && k.Status == protocol.Left {
		return true
	}
	return m.cfg.Unsafe.NoWait || m.proven(p) || m.now.Mono >= m.lastSign(p)+m.settings().Lease.Std()
}

// decideMembers commits a view without the nodes that are over and with those that may join.
func (m *Machine) decideMembers() bool {
	v := m.history.View()
	var out []*peer
	var in []*peer
	for _, node := range sortedKeys(m.lead.peers) {
		p := m.lead.peers[node]
		switch {
		case v.Has(p.in):
			if m.over(p) {
				out = append(out, p)
			}
		case p.fence == fenced, m.supplanted(p):
			delete(m.lead.peers, node)
		case m.mayAdmit(v, p):
			in = append(in, p)
		}
	}
	itself := !v.Has(m.self) && m.nameFree(v, m.self.Node)
	if len(out)+len(in) == 0 && !itself {
		return false
	}
	m.commit(m.membersReason(out), nil, func(next *protocol.View) {
		for _, p := range out {
			depart(next, p.in, m.departReason(p), !m.closed(p) && !m.leftInOrder(p))
		}
		for _, p := range in {
			m.admit(next, protocol.Member{Incarnation: p.in, Labels: p.member.Labels, Capacity: p.member.Capacity})
		}
		if itself { // an earlier incarnation was still a member when this one took over
			m.admit(next, m.selfMember())
		}
	})
	return true
}

// supplanted reports whether a node that asked to join has made way for another incarnation of its
// name, or has given up: it holds no lease, so nothing is to be waited for.
func (m *Machine) supplanted(p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	return k != nil && k.ID != p.in.ID && (k.Status.Alive() || m.now.Mono-p.heard > m.settings().Lease.Std())
}

// mayAdmit reports whether a node may join: its record is its own, and nothing is left of an earlier
// incarnation of its name.
func (m *Machine) mayAdmit(v *protocol.View, p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	if p.fence != unfenced || k == nil || k.ID != p.in.ID || !k.Status.Alive() || !m.nameFree(v, p.in.Node) {
		return false
	}
	return m.now.Mono-p.heard < m.settings().Lease.Std()/2
}

// nameFree reports whether nobody of that name is a member, and nothing is left of who was one.
func (m *Machine) nameFree(v *protocol.View, node string) bool {
	return v.Member(node) == nil && (m.cfg.Unsafe.ReuseNames || !slices.ContainsFunc(v.Gone, func(d protocol.Departure) bool { return d.Node == node }))
}

func (m *Machine) departReason(p *peer) string {
	if k := m.nodes.Get(p.in.Node); k != nil && k.ID == p.in.ID && k.Status == protocol.Left {
		return "node_left"
	}
	return "node_lost"
}

func (m *Machine) membersReason(out []*peer) string {
	if len(out) > 0 {
		return m.departReason(out[0])
	}
	return "node_joined"
}
