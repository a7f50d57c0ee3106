package view

import (
	"maps"
	"time"

	"github.com/phub-io/phub/protocol"
)

// With failover fast a node that says nothing is disconnected by its server, and then replaced as one
// whose connection is closed. A living node must not be: it is called first, and what must have come by
// then is waited for.
//
//	heard --late--> called --still nothing, its server says "open"--> kicked --"closed"--> fenced, removed

// kick is how far the disconnecting of a node is that says nothing.
type kick struct {
	called time.Duration // since when it is called; 0: it isn't
	again  time.Duration // when it was called last
	open   time.Duration // when its server last said that its connection is open
	tried  time.Duration // when its server was last asked to close it
	heard  time.Duration // when it was last heard, and for how long this node had been held up by then
	held   time.Duration
}

// kicks bounds what this node has disconnected.
type kicks struct {
	last time.Duration            // when it last had anybody disconnected
	of   map[string]time.Duration // by process: when that was last disconnected
	none time.Duration            // until then nobody is asked to: this hub has no access
}

// pace tells whether this node's own loop keeps up. One that was held up finds others late who are not:
// what they said waits in its inbox.
type pace struct {
	tick   time.Duration // when the last tick came
	due    time.Duration // when the next one is due
	steady time.Duration // since when none was late
	held   time.Duration // for how long it was held up, all in all
	stalls []stall       // the last ones, at most stallsKept
}

// stall is a time in which this node's own loop was held up.
type stall struct{ from, to time.Duration }

// stallsKept bounds the stalls that are remembered. Of older ones nobody is forgiven his silence.
const stallsKept = 256

// stalled returns for how long the loop was held up since an instant.
func (p *pace) stalled(since time.Duration) time.Duration {
	var sum time.Duration
	for _, s := range p.stalls {
		sum += max(0, s.to-max(s.from, since))
	}
	return sum
}

// silence is for how long this node has listened in vain since an instant: not while it was held up itself, nor after a PING
// that its server has not answered yet. Whoever is busy finds all others late, and their words in his inbox.
func (m *Machine) silence(since time.Duration) time.Duration {
	if m.cfg.Unsafe.LateIsLost {
		return m.now.Mono - since
	}
	return max(0, min(m.now.Mono, m.contact.heard(m.now.Mono))-since-m.pace.stalled(since))
}

const (
	// heldUp is how late a tick may be.
	heldUp = 3 * TickEvery
	// callEvery is the least time between two calls for a sign of life. A heartbeat that was not
	// answered for as long is taken as lost if another one is called for.
	callEvery = 50 * time.Millisecond
	// leastPatience is how long a node that was called has for a sign of life at least.
	leastPatience = 2 * callEvery
	// kickEvery is the least time between two disconnections by one node.
	kickEvery = 2 * TickEvery
	// kickless is for how long nobody is asked to disconnect after nobody took the order.
	kickless = time.Minute
)

func (m *Machine) keepPace(e Event) {
	if m.now.Mono-m.pace.due > heldUp {
		if m.pace.steady > 0 {
			from := max(m.pace.due, m.pace.steady)
			m.pace.held += m.now.Mono - from
			if m.pace.stalls = append(m.pace.stalls, stall{from, m.now.Mono}); len(m.pace.stalls) > stallsKept {
				m.pace.stalls = m.pace.stalls[1:]
			}
		}
		m.pace.steady = m.now.Mono
	}
	if _, tick := e.(Tick); tick {
		m.pace.tick, m.pace.due = m.now.Mono, m.now.Mono+TickEvery
	}
}

// late is for how long a living node says nothing at most, if nothing holds it up.
func (m *Machine) late() time.Duration {
	h := m.settings().Heartbeat.Std()
	return h + max(h/4, 2*TickEvery)
}

// patience is how long a node that was called has for a sign of life.
func (m *Machine) patience() time.Duration { return max(m.settings().Heartbeat.Std()/4, leastPatience) }

// silent carries on with a node that was last heard at an instant: it calls it when it is late. It
// reports whether the node is to be disconnected: it had time to answer, and the way to its server and
// back was open meanwhile. Time in which this node's own loop was held up does not count.
func (m *Machine) silent(k *kick, heard time.Duration, call func()) bool {
	now := m.now.Mono
	if heard != k.heard {
		k.heard, k.held = heard, m.pace.held
	}
	if now-heard-(m.pace.held-k.held) <= m.late() {
		k.called = 0
		return false
	}
	if k.called == 0 || k.called < m.pace.steady {
		k.called, k.again = now, 0
	}
	if now-k.again >= callEvery {
		k.again = now
		call()
	}
	return now-k.called >= m.patience() && k.open > k.called
}

// mayKick reports whether a node may be disconnected now, as far as that does not depend on how silent it
// is: no process more often than its lease could have run out.
func (m *Machine) mayKick(node string, k *kick) bool {
	c, now := m.settings(), m.now.Mono
	at, kicked := m.kicks.of[m.process(node)]
	return now-m.kicks.last >= kickEvery && now-k.tried >= c.Heartbeat.Std() && (!kicked || now-at >= c.Lease.Std())
}

// process names a run of a node's program, over all its incarnations.
func (m *Machine) process(node string) string {
	if k := m.nodes.Get(node); k != nil {
		return node + " " + k.Started
	}
	return node
}

func (m *Machine) kicksOn() bool {
	return m.settings().Failover == protocol.FailoverFast && m.now.Mono >= m.kicks.none && !m.leaving
}

// kickPeer has a member disconnected that the coordinator heard nothing of.
func (m *Machine) kickPeer(p *peer) {
	if !m.kicksOn() || !m.authority() || !m.history.View().Has(p.in) {
		p.kick = kick{}
		return
	}
	due := m.silent(&p.kick, m.heardOf(p), func() { m.do(Wake{Node: p.in.Node}) })
	p.suspect = p.suspect || p.kick.called > 0
	if !due || !m.hearsHalf() || !m.mayKick(p.in.Node, &p.kick) {
		return
	}
	m.kickNow(&p.kick, p.in.Node, m.heardOf(p))
	for _, c := range m.connsOf(p) {
		if !p.closed[c] {
			m.do(Kick{Node: p.in.Node, Conn: c})
		}
	}
}

// heardOf is when a member last gave a sign of life: one whose heartbeats get lost still renews its record.
func (m *Machine) heardOf(p *peer) time.Duration { return max(p.heard, m.lastSign(p)) }

// hearsHalf reports whether half of the members, itself included, are not silent. A coordinator that
// hears fewer is rather the one that is cut off, or too slow.
func (m *Machine) hearsHalf() bool {
	v, heard := m.history.View(), 1
	for _, x := range v.Members {
		if p := m.lead.peers[x.Node]; p != nil && p.in == x.Incarnation && m.now.Mono-m.heardOf(p) <= m.late() {
			heard++
		}
	}
	return 2*heard >= len(v.Members)
}

// kickCoordinator has a coordinator disconnected that answers nothing. Only who could take its place
// does it: one whose own record was written since it heard of the coordinator.
func (m *Machine) kickCoordinator() {
	c := &m.coord
	if !m.kicksOn() || !m.Member() || m.rank() >= deputies {
		c.kick = kick{}
		return
	}
	heard := max(c.since, c.heard, c.last.Renewed)
	due := m.silent(&c.kick, heard+m.stagger(), m.beatNow)
	c.suspect = c.suspect || c.kick.called > 0
	if !due || !m.mayCommit() || m.key.accepted <= heard || !m.mayKick(c.of.Node, &c.kick) {
		return
	}
	m.kickNow(&c.kick, c.of.Node, heard)
	for _, conn := range c.conns() {
		if _, closed := c.closed[conn]; !closed {
			m.do(Kick{Node: c.of.Node, Conn: conn})
		}
	}
}

func (m *Machine) kickNow(k *kick, node string, heard time.Duration) {
	k.tried, m.kicks.last = m.now.Mono, m.now.Mono
	m.note(Warn, "having %s disconnected: silent for %v", node, (m.now.Mono - heard).Round(time.Millisecond))
}

// kicked asks at once what became of the connection: that is the proof, not the server's word that it
// did as it was told.
func (m *Machine) kicked(e Kicked) {
	switch e.Outcome {
	case NobodyListens:
		m.kicks.none = m.now.Mono + kickless
		m.note(Warn, "failover is fast, but no NATS server takes the order to disconnect %s: the hub's account does not import KICK from the system account", e.Node)
		return
	case Done:
		lease := m.settings().Lease.Std()
		maps.DeleteFunc(m.kicks.of, func(_ string, at time.Duration) bool { return m.now.Mono-at >= lease })
		m.kicks.of[m.process(e.Node)] = m.now.Mono
	case Conflict, OutcomeUnknown:
	}
	if m.lead != nil && m.lead.peers[e.Node] != nil {
		m.lead.peers[e.Node].asking = asking{at: m.now.Mono}
	} else {
		m.coord.asking = asking{at: m.now.Mono}
	}
	m.do(AskConn{Node: e.Node, Conn: e.Conn})
}

// beatNow sends a heartbeat as soon as it may. One under way that should have been answered by now is
// taken as lost: what gets lost is the messages between two servers that lose each other.
func (m *Machine) beatNow() {
	b := &m.beats
	if b.busy && m.now.Mono-b.sent >= callEvery {
		m.beatAnswered(BeatAnswered{Number: b.number, Outcome: OutcomeUnknown})
	}
	b.soon = b.soon || m.now.Mono-b.sent >= wakeEvery
}
