package view

import (
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

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
	refused *protocol.RefusedCounts // as its last heartbeat has them; nil before the first
	fence   fence
	renewed time.Duration          // if it is fenced: it renewed nothing after this
	hidden  bool                   // the fence was written over what may have hidden a record that names another connection
	retry   time.Duration          // no fence before this instant
	closed  map[protocol.Conn]bool // connections that are known to be closed
	suspect bool
	asking  asking
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

// newPeer starts to watch a node. It is taken as just seen, because a predecessor may have granted it
// a lease at any moment until now.
func (m *Machine) newPeer(in protocol.Incarnation, x protocol.Member) *peer {
	x.Draining = false // the view says what somebody asked for; what the node says of itself its next heartbeat tells
	p := &peer{in: in, member: x, since: m.now.Mono, seen: m.now.Mono, heard: m.now.Mono, closed: map[protocol.Conn]bool{}}
	if m.cfg.Unsafe.NotJustSeen {
		p.seen = 0
	}
	return p
}

// watchPeers looks after all nodes that may hold something. The others ask to join: they are forgotten when they ask no more,
// also while this node has no authority.
func (m *Machine) watchPeers() {
	c := m.settings()
	var watched []*peer
	for _, node := range sortedKeys(m.lead.peers) {
		switch p := m.lead.peers[node]; {
		case m.holds(p):
			watched = append(watched, p)
		case m.now.Mono-p.heard > c.Lease.Std():
			delete(m.lead.peers, node)
		}
	}
	every := max(c.Probe.Std(), time.Duration(len(watched))*probeBudget)
	for _, p := range watched {
		m.watchPeer(p, every)
	}
}

// holds reports whether a node may hold something that a fence would end: it is a member, or may be, or the record of its
// name is its own, or is not known. Of others anybody who may send heartbeats names as many as he likes, and with any
// connection. So no message is sent for their sake: questions about 256 of them once kept a coordinator busy for good.
func (m *Machine) holds(p *peer) bool {
	k := m.nodes.Get(p.in.Node)
	return k != nil && (k.ID == p.in.ID || m.nodes.bad[p.in.Node] != "") || m.mayHave(p.in)
}

// watchPeer looks after one node: suspects, asks, fences.
func (m *Machine) watchPeer(p *peer, every time.Duration) {
	c := m.settings()
	now := m.now.Mono
	if p.fence == unfenced && now-p.probed >= every {
		p.probed = now
		m.do(Probe{Node: p.in.Node})
	}
	if m.silence(p.heard) > c.Heartbeat.Std()*3/2 {
		p.suspect = true
	} else if !p.suspect {
		p.asking.hurry()
	}
	m.kickPeer(p)
	m.askPeer(p)
	if p.fence == unfenced && m.now.Mono >= p.retry && !m.holdsBack(protocol.NodesBucket) && m.fenceDue(p) && m.sureOf(p.in.Node) {
		m.fencePeer(p)
	}
}

// probeBudget is the coordinator's share of time for each node's probe: at most 200 probes a second.
const probeBudget = 5 * time.Millisecond

// askPeer asks for the connections on which a suspect was granted its lease.
func (m *Machine) askPeer(p *peer) {
	if !p.suspect || !p.asking.due(m.now.Mono) || !m.holds(p) {
		return
	}
	asks := false
	for _, c := range m.connsOf(p) {
		if !p.closed[c] {
			asks = true
			m.do(AskConn{Node: p.in.Node, Conn: c})
		}
	}
	if asks {
		p.asking.asked(m.now.Mono, m.askSeldom())
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

// closed reports whether all of the node's connections were seen closed. What somebody else wrote may hide a record that names
// another one.
func (m *Machine) closed(p *peer) bool {
	if !m.connKnown(p) || (p.hidden || m.nodes.bad[p.in.Node] != "") && !m.cfg.Unsafe.HiddenRecords {
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
	bad := m.nodes.bad[p.in.Node] != "" // and may hide a record of its own that came after that one
	switch member := m.history.View().Has(p.in); {
	case m.peerEnded(p):
		m.fencedNow(p) // by a predecessor, or by its own leaving
		return false
	case k == nil && !member:
		return false // it holds nothing, and there is nothing to fence
	case k != nil && k.ID != p.in.ID && !(bad && m.knowsSince(p.since)):
		if member {
			m.refreshKey() // whether it came later is known after that
		}
		return false // another incarnation's record is not to be overwritten for its sake
	}
	return m.proven(p) || m.silence(m.lastWord(p)) > m.settings().Lease.Std()*3/4
}

// peerEnded reports whether what is under a node's key says that no write of its incarnation renews anything any more. Of a
// member that takes the knowledge of all that was stored before this coordinator began to watch it: a predecessor may have
// vouched for a record that came after a fence.
func (m *Machine) peerEnded(p *peer) bool {
	k, member := m.nodes.Get(p.in.Node), m.history.View().Has(p.in)
	known := m.nodes.bad[p.in.Node] == "" && m.knowsSince(p.since)
	switch {
	case k == nil:
		return false
	case k.ID != p.in.ID:
		return member && known
	case k.Status == protocol.Left:
		return true
	}
	return !k.Status.Alive() && (!member || known)
}

// fencedNow notes that a node is fenced. What it writes from now on renews nothing, so that it puts nothing off.
func (m *Machine) fencedNow(p *peer) { p.fence, p.renewed = fenced, m.lastSign(p) }

// lastWord is when the node said something that its coordinator knows of. What somebody else stores over its record
// puts off the end of its lease, see lastSign, but not its fence: that must not be put off for ever.
func (m *Machine) lastWord(p *peer) time.Duration {
	switch k := m.nodes.Get(p.in.Node); {
	case k == nil:
		return p.seen
	case k.ID == p.in.ID:
		return max(p.seen, k.Seen)
	default:
		return max(p.seen, k.before)
	}
}

// sureOf reports whether a node's record is known from the stream, and has it read if not. A record that was only heard may
// be forged, and its revision that of another one, which nobody heard: that names the connection by which the node lives, or
// renewed its lease after the forged one was heard. The compare-and-set of a fence must not pass over that.
func (m *Machine) sureOf(node string) bool {
	if m.nodes.Sure(node) || m.cfg.Unsafe.FenceUnread {
		return true
	}
	m.readNode(node, TickEvery)
	return false
}

// readNode has a node's record read, unless it was asked for just now.
func (m *Machine) readNode(node string, every time.Duration) {
	if at, asked := m.asked[node]; asked && m.now.Mono-at < every {
		return
	}
	m.asked[node] = m.now.Mono
	m.readKey(protocol.NodesBucket, node)
}

// confirmEvery is how often a node's record is read at most, so that its fence need not wait for that.
const confirmEvery = time.Second

// mayFence reports whether this node is one of those that would fence another one.
func (m *Machine) mayFence(node string) bool {
	if m.lead != nil {
		return m.lead.peers[node] != nil
	}
	return node == m.coord.of.Node && m.rank() < deputies
}

// lastSign is when either keeper of the node's lease accepted a renewal last, or later.
func (m *Machine) lastSign(p *peer) time.Duration {
	if k := m.nodes.Get(p.in.Node); k != nil {
		return max(p.seen, k.renewed(p.in))
	}
	return p.seen
}

func (m *Machine) fencePeer(p *peer) {
	reason := "silent for " + (m.now.Mono - m.lastWord(p)).Round(time.Millisecond).String()
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
		m.fencedNow(p)
		return
	}
	p.hidden = p.hidden || m.nodes.bad[p.in.Node] != ""
	p.retry = m.now.Mono + rankStep
	m.noteWrite("fencing %s: %s", p.in.Node, reason)
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
			m.fencedNow(p)
		}
	}
}

// leadNode looks at a node's new record: one that says that the node has ended is a fence.
func (m *Machine) leadNode(node string) {
	if m.lead == nil || m.lead.peers[node] == nil {
		return
	}
	p := m.lead.peers[node]
	if k := m.nodes.Get(node); k != nil && p.fence == unfenced && k.ID == p.in.ID && m.peerEnded(p) {
		m.fencedNow(p)
	}
}

func (m *Machine) leadNobody(node string) {
	if m.lead == nil || m.lead.peers[node] == nil {
		return
	}
	p := m.lead.peers[node]
	p.suspect = true
	p.asking.hurry()
	m.askPeer(p)
}

func (m *Machine) leadConn(e ConnAnswered) {
	if m.lead == nil || m.lead.peers[e.Node] == nil {
		return
	}
	p := m.lead.peers[e.Node]
	switch e.Evidence {
	case Closed:
		p.noteClosed(e.Conn, m.connsOf(p))
	case Open:
		p.suspect = false
		if e.Conn == p.conn {
			p.kick.open = m.now.Mono
		}
	case Unknown:
	}
}

// maxClosed bounds the connections of one node that are known to be closed.
const maxClosed = 64

// noteClosed notes that a connection is closed. Of many only those count that the node has now.
func (p *peer) noteClosed(c protocol.Conn, now []protocol.Conn) {
	if len(p.closed) >= maxClosed {
		maps.DeleteFunc(p.closed, func(x protocol.Conn, _ bool) bool { return !slices.Contains(now, x) })
	}
	p.closed[c] = true
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
	return m.cfg.Unsafe.NoWait || m.proven(p) || m.now.Mono >= p.renewed+m.settings().Lease.Std()
}
