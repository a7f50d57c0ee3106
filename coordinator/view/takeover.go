package view

import (
	"hash/fnv"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// candidacy is what a node that does not coordinate knows of the one that does, or did.
type candidacy struct {
	of      protocol.Incarnation
	since   time.Duration                   // since when this node watches it
	last    Known                           // its last record; zero if none was seen
	beat    uint64                          // a fence counts whose beat is larger: see protocol.View.Beat
	named   time.Duration                   // since when the view says so
	ended   bool                            // it was fenced in this view: what it writes after that renews nothing,
	renewed time.Duration                   // and before that it renewed nothing after this
	confirm protocol.Conn                   // the connection that it named in an answer since then, if any
	closed  map[protocol.Conn]time.Duration // its closed connections, and since when this is known
	unsure  time.Duration                   // since when views may have been missed; 0 if not
	suspect bool
	asking  asking
	probed  time.Duration
	busy    bool          // a fence is under way
	retry   time.Duration // no fence or takeover before this instant
	pledge  pledge
	heard   time.Duration // its last answer, whatever it said
	kick    kick
}

func (c *candidacy) reset() {
	*c = candidacy{of: c.of, since: c.since, last: c.last, beat: c.beat, named: c.named, confirm: c.confirm, closed: c.closed, pledge: c.pledge}
}

// conns returns the connections that the coordinator may live by: that of its record, and the one that
// this node confirmed since.
func (c *candidacy) conns() []protocol.Conn {
	var conns []protocol.Conn
	if c.last.Conn.Server != "" {
		conns = append(conns, c.last.Conn)
	}
	if c.confirm.Server != "" && c.confirm != c.last.Conn {
		conns = append(conns, c.confirm)
	}
	return conns
}

// closedSince returns since when all of them are known to be closed; 0 if they aren't.
func (c *candidacy) closedSince() time.Duration {
	var since time.Duration
	for _, conn := range c.conns() {
		at, ok := c.closed[conn]
		if !ok {
			return 0
		}
		since = max(since, at)
	}
	return since
}

// confirms returns the connection that this node confirms to the coordinator. One that fences it, or
// saw it fenced, confirms nothing.
func (m *Machine) confirms() protocol.Conn {
	c := &m.coord
	if (c.busy || m.coordDoubtful()) && !m.cfg.Unsafe.ConfirmFenced {
		return protocol.Conn{}
	}
	return c.confirm
}

// coordAnswered takes that the coordinator answered a heartbeat, and the connection by which it did.
func (m *Machine) coordAnswered(number uint64, a protocol.BeatAnswer) {
	c := &m.coord
	if a.Coordinator != c.of || (c.busy || m.coordDoubtful()) && !m.cfg.Unsafe.ConfirmFenced {
		return
	}
	c.pledged(m.now.Mono, number)
	if a.Conn == c.confirm {
		return
	}
	c.confirm, c.suspect = a.Conn, false
	m.beats.soon = true
}

const (
	// rankStep staggers the candidates, so that usually only one tries.
	rankStep = 50 * time.Millisecond
	// rankShare is how much that is more for each node of a large hub.
	rankShare = 2 * time.Millisecond
	// askEvery is the least time between two questions about one connection.
	askEvery = 50 * time.Millisecond
	// deputies is how many candidates probe the coordinator; the others hear of its silence by their
	// heartbeats.
	deputies = 2
)

// candidate watches the coordinator, and takes its role over when it is proven to have ended: its key
// is fenced, and its authority has run out since its last accepted write, or the members have withdrawn
// their pledges, or its connection is closed.
//
//	watching --silent or closed--> fence its key --waited or closed--> commit a view without it
func (m *Machine) candidate() {
	v := m.history.View()
	switch {
	case m.lead != nil || m.leaving || m.left || m.op != nil || m.holdsBack(protocol.PlacementBucket):
		return
	case v == nil:
		m.bootstrap()
		return
	case v.Coordinator == m.self:
		m.takeRole()
		return
	}
	m.watchCoordinator(v)
	if m.unsure(v) || m.newcomer() && !m.beats.asked { // another hub of the name may run
		return
	}
	m.kickCoordinator()
	if m.now.Mono < m.coord.retry {
		return
	}
	if !m.coordFenced() {
		m.fenceCoordinator()
		return
	}
	if m.coordOver() {
		if m.mayCommit() {
			m.takeOver(v)
			return
		}
		m.refreshKey()
	}
}

// refreshKey renews the own record ahead of its time, so that it is good when the role is to be taken:
// while the coordinator keeps the lease, the record is written more rarely than a lease lasts.
func (m *Machine) refreshKey() {
	if m.now.Mono-max(m.key.last.sent, m.key.sent) > m.settings().Heartbeat.Std()/2 {
		m.key.urgent = true
	}
}

// watchRecordOf follows the coordinator's record. Of fences those count that came after the record that the view names.
func (m *Machine) watchRecordOf(v *protocol.View) {
	c := &m.coord
	beat := v.Beat
	if m.cfg.Unsafe.OldFences {
		beat = 0
	}
	if c.named == 0 || beat != c.beat {
		c.beat, c.named, c.ended = beat, m.now.Mono, false
		if c.last.ID != "" && !c.last.Status.Alive() && !m.counts(&c.last) {
			c.last = Known{}
		}
	}
	k := m.nodes.Get(c.of.Node)
	if k != nil && k.ID == c.of.ID && (k.Revision != c.last.Revision || k.Renewed != c.last.Renewed) && (k.Status.Alive() || m.counts(k)) {
		c.suspect = c.suspect && k.Conn == c.last.Conn
		c.last = *k
	}
	if c.beat > 0 && c.last.Beat < c.beat {
		m.readNode(c.of.Node, TickEvery)
	}
	if !c.ended && m.coordEnded(k) {
		c.ended, c.renewed = true, c.since
		if c.last.ID != "" {
			c.renewed = c.last.Renewed
		}
		if k != nil {
			c.renewed = max(c.renewed, k.renewed(c.of))
		}
	}
}

// counts reports whether a fence of the coordinator, or its leaving, came after the record that its view names.
func (m *Machine) counts(k *Known) bool { return k.Beat > m.coord.beat }

// coordEnded reports whether what is under the coordinator's key says that no write of its incarnation renews anything until a
// later view of its own.
func (m *Machine) coordEnded(k *Known) bool {
	c := &m.coord
	switch {
	case k == nil:
		return false
	case k.ID == c.of.ID:
		return !k.Status.Alive() && m.counts(k)
	case c.last.ID == c.of.ID && c.last.Beat >= c.beat:
		return true
	}
	return m.nodes.bad[c.of.Node] == "" && m.knowsSince(c.named) // what is bad may hide its own
}

func (m *Machine) watchCoordinator(v *protocol.View) {
	c := &m.coord
	if c.of != v.Coordinator {
		*c = candidacy{of: v.Coordinator, since: m.now.Mono, closed: map[protocol.Conn]time.Duration{}}
		m.beatAnew()
	}
	m.watchRecordOf(v)
	if m.rank() < deputies && m.now.Mono-c.probed >= m.settings().Probe.Std() {
		c.probed = m.now.Mono
		m.do(Probe{Node: c.of.Node})
	}
	if m.coordQuiet() > m.settings().Heartbeat.Std()*3/2 {
		c.suspect = true
	} else if !c.suspect {
		c.asking.hurry()
	}
	m.withdraw(v)
	if !c.suspect || !c.asking.due(m.now.Mono) {
		return
	}
	if m.rank() < deputies {
		m.refreshKey()
	}
	asks := false
	for _, conn := range c.conns() {
		if _, closed := c.closed[conn]; !closed {
			asks = true
			m.do(AskConn{Node: c.of.Node, Conn: conn})
		}
	}
	if asks {
		c.asking.asked(m.now.Mono, m.askSeldom())
	}
}

// coordQuiet is for how long nothing has been heard of the coordinator: no answer, no new record.
func (m *Machine) coordQuiet() time.Duration {
	return m.silence(max(m.coord.since, m.coord.last.Renewed, m.beats.answered))
}

// coordSilent takes that a heartbeat was not answered.
func (m *Machine) coordSilent(o Outcome) {
	if o == NobodyListens {
		m.coord.asking.hurry()
	}
	if o == NobodyListens || m.beats.silent > 1 {
		m.coord.suspect = true
	}
}

// coordFenced reports whether no write of the coordinator's incarnation can be accepted any more.
func (m *Machine) coordFenced() bool {
	return m.coord.ended || m.cfg.Unsafe.NoCoordinatorFence
}

// coordDoubtful reports whether the record under the coordinator's name is a fence, or not its own.
func (m *Machine) coordDoubtful() bool {
	k := m.nodes.Get(m.coord.of.Node)
	return m.coord.ended || k != nil && (k.ID != m.coord.of.ID || !k.Status.Alive())
}

// knowsSince reports whether this node knows all that was written to the nodes bucket before an instant: all
// up to a record that it wrote itself since then. Only then does another incarnation's record under the name
// of one that wrote its own before that say that it came after it, and not that it came before.
func (m *Machine) knowsSince(at time.Duration) bool {
	k := &m.key
	return k.claimed && k.last.sent >= at && m.nodes.Last() >= k.last.revision || m.cfg.Unsafe.OldRecords
}

// fenceCoordinator makes every later write of the coordinator's incarnation fail, once there is
// reason to.
func (m *Machine) fenceCoordinator() {
	c := &m.coord
	if c.busy || m.holdsBack(protocol.NodesBucket) || !m.key.claimed && c.of.Node != m.self.Node {
		return
	}
	if k := m.nodes.Get(c.of.Node); k != nil && k.ID != c.of.ID && (m.nodes.bad[c.of.Node] == "" || !m.knowsSince(c.named)) {
		m.refreshKey() // whether it came later is known after that
		return
	}
	reason := m.fenceReason()
	if reason == "" || !m.sureOf(c.of.Node) {
		return
	}
	c.busy = true
	m.noteWrite("fencing the coordinator %s: %s", c.of.Node, reason)
	m.do(WriteNode{Record: m.fenceOf(c.of, c.last.NodeRecord, reason), Last: m.nodes.Revision(c.of.Node)})
}

// fenceReason says why the coordinator is to be fenced now; "" if it isn't.
func (m *Machine) fenceReason() string {
	quiet, c := m.coordQuiet(), m.settings()
	switch {
	case m.coordDead():
		return "its connection is closed"
	case quiet > c.Authority.Std()*2/3+m.stagger():
		return "silent for " + quiet.Round(time.Millisecond).String()
	case quiet > c.Lease.Std()+m.stagger() && m.abandoned(m.history.View()):
		return "silent for " + quiet.Round(time.Millisecond).String() + ", and no majority expects it back"
	}
	return ""
}

// fenceOf is the record that ends an incarnation. It keeps the connection, so that whoever comes later
// can still ask for it; not if what somebody else wrote may have hidden another one.
func (m *Machine) fenceOf(in protocol.Incarnation, last protocol.NodeRecord, reason string) protocol.NodeRecord {
	rec := last
	rec.V, rec.Incarnation, rec.Status, rec.Reason = 1, in, protocol.Lost, reason
	rec.By, rec.Fencer = m.self.Node, m.self.ID
	if in == m.coord.of {
		rec.Beat = max(rec.Beat, m.coord.beat)
	}
	rec.Beat++
	if k := m.nodes.Get(in.Node); k != nil { // a lower one would be taken for an earlier incarnation's
		rec.Generation = max(rec.Generation, k.Generation)
	}
	if m.nodes.bad[in.Node] != "" && !m.cfg.Unsafe.HiddenRecords {
		rec.Conn = protocol.Conn{}
	}
	if rec.Started == "" {
		rec.Started = m.wall()
	}
	if rec.Lease == 0 {
		rec.Lease = m.settings().Lease
	}
	return m.signRecord(rec)
}

// coordOver reports whether nothing that the fenced coordinator was granted can still hold.
func (m *Machine) coordOver() bool {
	c := &m.coord
	switch {
	case m.coordDead(), m.cfg.Unsafe.NoCoordinatorWait:
		return true
	case c.last.Status == protocol.Left:
		return m.now.Mono >= c.last.Seen+m.stagger()
	}
	term := m.settings().Authority.Std()
	if m.abandoned(m.history.View()) {
		term = m.settings().Lease.Std()
	}
	return m.now.Mono >= c.renewed+term+m.stagger()
}

// coordDead reports whether all connections by which the coordinator may live are closed. It is for
// members to say so: to a newcomer, who confirmed nothing, only if there are no other members.
func (m *Machine) coordDead() bool {
	v := m.history.View()
	since := m.coord.closedSince()
	return since > 0 && m.coordLastKnown() && m.takesProof() && m.now.Mono >= since+m.stagger() &&
		(v.Has(m.self) || m.coordAlone(v) || m.cfg.Unsafe.NewcomersProve)
}

// coordAlone reports whether nobody but the coordinator is a member: nobody else can have confirmed a connection of its.
func (m *Machine) coordAlone(v *protocol.View) bool {
	return !slices.ContainsFunc(v.Members, func(x protocol.Member) bool { return x.Incarnation != m.coord.of })
}

// coordLastKnown reports whether the last record that is known of the coordinator is its last one. Another
// incarnation's record, or what somebody else wrote, may hide one that names a connection that is open.
func (m *Machine) coordLastKnown() bool {
	c := &m.coord
	k := m.nodes.Get(c.of.Node)
	hidden := m.nodes.bad[c.of.Node] != "" || k != nil && k.ID != c.of.ID && c.last.Status.Alive() || c.last.Beat < c.beat
	return !hidden && (c.last.ID == "" || c.last.Conn.Server != "") || m.cfg.Unsafe.HiddenRecords
}

// mayCommit reports whether this node's own record is good, and names the present connection: a node
// that was fenced must not lead, nor one whose end could be concluded from an earlier connection's.
func (m *Machine) mayCommit() bool {
	k := &m.key
	return m.cfg.Unsafe.LeadUnproven || k.claimed && k.last.fresh && !k.reading && m.now.Mono-k.last.sent < m.settings().Lease.Std() &&
		(!k.doubt.is || k.doubt.healed > 0)
}

// takeOver commits a view that names this node in the place of the coordinator.
func (m *Machine) takeOver(v *protocol.View) {
	c := &m.coord
	c.retry = m.now.Mono + rankStep
	why := "node_lost"
	if c.last.Status == protocol.Left {
		why = "node_left"
	}
	m.note(Info, "taking over from the coordinator %s (%s)", c.of.Node, c.last.Reason)
	m.commit(why, nil, func(next *protocol.View) {
		depart(next, c.of, why, c.closedSince() == 0 && c.last.Status != protocol.Left)
		if m.history.unsure && !m.cfg.Unsafe.KeepMissed {
			m.departMissed(next, v.Number)
		}
		if !v.Has(m.self) && next.Member(m.self.Node) == nil {
			m.admit(next, m.selfMember())
		}
	})
}

// bootstrap commits the first view of a hub, with this node alone. If there are traces of an earlier
// one, whoever wrote it is waited for, and so is who still trusts itself by it. Who may do so later is fenced.
func (m *Machine) bootstrap() {
	if !m.mayCommit() || m.otherTrusts() && !m.cfg.Unsafe.FoundAnyway {
		return
	}
	if m.coord.since == 0 {
		m.coord.since = m.now.Mono
	}
	traces := m.history.Revision(protocol.ViewKey) != 0 && !m.cfg.Unsafe.FoundAnyway
	if traces && m.now.Mono < m.coord.since+m.settings().Authority.Std()+m.stagger() || m.now.Mono < m.coord.retry || m.holdsBack(protocol.NodesBucket) {
		return
	}
	m.coord.retry = m.now.Mono + rankStep
	if !m.cfg.Unsafe.FoundUnfenced && m.fenceFormer() {
		return
	}
	if !m.knowsSince(m.lastFence()) {
		m.refreshKey() // one that was fenced may have written over that, and what it wrote may count
		return
	}
	want := m.kept.Or(m.cfg.Want)
	want.ID = m.newHub()
	var writes []Write
	if m.history.Revision(protocol.ConfigKey) == 0 {
		writes = append(writes, Write{Key: protocol.ConfigKey, Value: encode(want)})
	}
	m.commit("first node", writes, func(v *protocol.View) {
		m.admit(v, m.selfMember())
		v.Hub = want.ID
	})
}

// otherTrusts reports whether another node may still trust itself: by a history that is no more.
func (m *Machine) otherTrusts() bool {
	for node, k := range m.nodes.nodes {
		if node != m.self.Node && k.Status.Alive() && m.now.Mono < k.Renewed+k.Lease.Std() {
			return true
		}
	}
	return false
}

// fenceFormer fences whom an earlier history may have made members, and reports whether there are any. One that is cut off
// still follows that history, and would trust itself by it once its own record is accepted. A newcomer holds no lease, and
// writes its record with each heartbeat.
func (m *Machine) fenceFormer() bool {
	former := false
	for _, node := range sortedKeys(m.nodes.nodes) {
		k := m.nodes.Get(node)
		newcomer := k.Lease == 0 && m.now.Mono < k.Seen+2*m.settings().Lease.Std()
		if node == m.self.Node || !k.Status.Alive() || newcomer {
			continue
		}
		former = true
		reason := "no view names it"
		m.noteWrite("fencing %s: %s", node, reason)
		m.do(WriteNode{Record: m.fenceOf(k.Incarnation, k.NodeRecord, reason), Last: m.nodes.Revision(node)})
	}
	return former
}

// lastFence is when the last fence was seen of those that stand.
func (m *Machine) lastFence() time.Duration {
	var last time.Duration
	for _, k := range m.nodes.nodes {
		if k.Status == protocol.Lost {
			last = max(last, k.Seen)
		}
	}
	return last
}

func (m *Machine) selfMember() protocol.Member {
	return protocol.Member{Incarnation: m.self, Labels: m.cfg.Labels, Capacity: m.cfg.Capacity, Kinds: m.cfg.Kinds}
}

// rank is this node's place among those who may take over: members first, in the order of the view.
func (m *Machine) rank() int {
	v := m.history.View()
	if v == nil {
		return 0
	}
	others := 0
	for i := range v.Members { // it is asked for at each step: nothing is copied
		switch v.Members[i].Incarnation {
		case v.Coordinator:
		case m.self:
			return others
		default:
			others++
		}
	}
	return others + m.newcomersRank()
}

// newcomersRank is the place among those that join a large hub, by chance: else a hundred of them would look after a coordinator
// that is alone as closely as two, and all of them would take it for lost at once.
func (m *Machine) newcomersRank() int {
	if m.beyond() == 0 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(m.self.ID))
	return int(h.Sum32() % uint32(m.crowd()))
}

// stagger is how much later than the first candidate this one acts. In a large hub those after the deputies are further apart: all
// of them are late if one is, and each that tries costs the one that is on its way.
func (m *Machine) stagger() time.Duration {
	rank := time.Duration(m.rank())
	if rank < deputies {
		return rank * rankStep
	}
	return rank * (rankStep + m.beyond()*rankShare)
}

func (m *Machine) nobodyThere(node string) {
	if v := m.history.View(); m.lead == nil && v != nil && v.Coordinator.Node == node {
		m.coord.suspect = true
		m.coord.asking = asking{at: min(m.coord.asking.at, m.now.Mono-askEvery)}
	}
	m.leadNobody(node)
}

func (m *Machine) connAnswered(e ConnAnswered) {
	if e.Evidence == Unknown && m.cfg.Unsafe.SilenceProves {
		e.Evidence = Closed
	}
	c := &m.coord
	if _, known := c.closed[e.Conn]; m.lead == nil && e.Node == c.of.Node && slices.Contains(c.conns(), e.Conn) {
		switch {
		case e.Evidence == Closed && !known:
			c.closed[e.Conn] = max(m.now.Mono, 1)
		case e.Evidence == Open:
			c.suspect, c.kick.open = false, m.now.Mono
		}
	}
	m.leadConn(e)
}

// fenceWritten takes the result of a fence, the coordinator's or a member's.
func (m *Machine) fenceWritten(e NodeWritten) {
	node := e.Write.Record.Node
	if m.coord.busy && e.Write.Record.Incarnation == m.coord.of {
		m.coord.busy = false
		m.coord.retry = m.now.Mono
	}
	if e.Outcome == Done {
		m.nodeStored(recordOf(e.Write.Record, e.Revision))
		m.leadFenced(node, true)
		return
	}
	m.coord.retry = m.now.Mono + rankStep
	m.leadFenced(node, false)
	m.readKey(protocol.NodesBucket, node)
}

// fenceRead goes on after the key of a failed fence was read: the next step decides anew.
func (m *Machine) fenceRead(e KeyRead) {
	if e.Outcome == Done {
		m.leadNode(e.Key)
	}
}
