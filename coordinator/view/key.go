package view

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// ownKey is this node's record in the nodes bucket: its shared heartbeat, and a keeper of its lease.
type ownKey struct {
	claimed  bool          // the last accepted write is of this incarnation
	busy     bool          // a write is under way
	reading  bool          // the key is being read, because a write's outcome is unknown or a conflict
	sent     time.Duration // when the write under way was sent
	accepted time.Duration // when the last accepted write was sent that renews
	last     written       // the last accepted write, whether it renews or not
	fresh    bool          // the last accepted write that renews names the present connection
	doubt    doubt
	value    []byte        // of the write under way
	floor    uint64        // the bucket's end as it was known when the write under way was sent
	next     time.Duration // when the next is due
	beat     uint64
	urgent   bool          // write as soon as possible
	free     time.Duration // when another incarnation's record may be fenced again
	tries    int           // writes since the last accepted one
}

// written is an accepted write of the own record.
type written struct {
	sent     time.Duration
	revision uint64
	beat     uint64
	fresh    bool // it names the present connection
}

// doubt is what this node has of its own record when foreign values stood under its key and it has not read all that did:
// one of those that it missed may have been a fence. What it writes then heals the key, and renews nothing. There are two
// who can say that no fence before such a record counts: the coordinator that answers the heartbeats, once it has read that
// record (see answerBeat); and for the coordinator itself, a view that names the record (see protocol.View.Beat).
type doubt struct {
	is     bool
	at     uint64 // the revision of what stood there
	write  bool   // the write under way began in doubt
	healed uint64 // the first own record after that; 0 if there is none yet
	next   time.Duration
	named  written // the one that the view under way names
}

// healBeats is by how much the number of a record that is written in doubt is above the one before it: more than any fences
// that it may hide have counted on. A node writes 20 a second at most, and who was away for long starts anew.
const healBeats = 1 << 24

// keyPace is the interval of the shared heartbeat while something else keeps the lease.
const keyPace = 5 * time.Second

func (k *ownKey) disconnected() {
	k.busy, k.reading, k.urgent, k.fresh = false, false, true, false
	k.last.fresh, k.doubt.named = false, written{}
}

// keyDue writes the own record when it is time, if nothing stands in the way of it.
func (m *Machine) keyDue() {
	k := &m.key
	if k.busy || k.reading || m.left || m.holdsBack(protocol.NodesBucket) || m.now.Mono < k.next && !k.urgent && !m.leaving {
		return
	}
	known := m.nodes.Get(m.self.Node)
	own := k.claimed || known != nil && known.ID == m.self.ID
	switch {
	case m.leaving && !own:
		m.hasLeft()
	case !own && known != nil && known.Status.Alive() && !slices.Contains(m.former, known.ID):
		m.freeName(known)
	default:
		m.writeKey()
	}
}

// freeName fences the record of another incarnation of this node's name: one that ended without a
// word. (One that this process had itself is simply written over: nothing of it goes on.) While there is a coordinator that is its work; when all nodes ended together nobody is left to do
// it but those that come back. A living node without a coordinator renews its record with each
// heartbeat.
func (m *Machine) freeName(known *Known) {
	c := m.settings()
	if m.now.Mono >= m.key.next { // the record of its fence may have been missed
		m.key.next = m.now.Mono + c.Heartbeat.Std()
		m.readOwnKey()
	}
	if m.now.Mono < m.key.free || m.nameHeld(known) {
		return
	}
	m.key.free = m.now.Mono + c.Heartbeat.Std()
	reason := "silent for " + (m.now.Mono - known.Seen).Round(time.Millisecond).String() + ", and no coordinator"
	if bad := m.nodes.bad[m.self.Node]; bad != "" {
		reason = "its record was overwritten (" + bad + ") and not written again"
	}
	m.noteWrite("fencing incarnation %s, which had this node's name: %s", known.ID, reason)
	m.do(WriteNode{Record: m.fenceOf(known.Incarnation, known.NodeRecord, reason), Last: m.nodes.Revision(m.self.Node)})
}

// nameHeld reports whether another incarnation of this node's name may live, or is for the coordinator to
// fence. That knows nothing of one whose record somebody else overwrote; and one that lives writes its
// record anew, at the latest when it is due.
func (m *Machine) nameHeld(known *Known) bool {
	c := m.settings()
	silent := m.now.Mono - known.Seen
	switch {
	case m.nodes.bad[m.self.Node] != "":
		return silent <= 2*c.Lease.Std()+keyPace
	case silent <= 2*c.Lease.Std():
		return true
	case m.history.View() == nil:
		return false
	}
	return known.ID == m.coord.of.ID || m.beats.silent < 3 || !m.coordFenced() && m.coordQuiet() <= c.Authority.Std()*2/3
}

func (m *Machine) writeKey() {
	k := &m.key
	if known := m.nodes.Get(m.self.Node); !k.claimed && (known == nil || known.ID != m.self.ID) {
		m.generation = m.nextGeneration(known)
	}
	k.busy, k.urgent = true, false
	k.tries++
	k.sent, k.floor = m.now.Mono, m.nodes.Last()
	k.beat++
	if k.doubt.write = k.doubt.is; k.doubt.is && k.doubt.healed == 0 {
		k.beat += healBeats
	}
	k.next = m.now.Mono + m.keyInterval()
	rec := m.ownRecord()
	k.value = encode(rec)
	m.do(WriteNode{Record: rec, Last: m.nodes.Revision(m.self.Node), Try: m.keyTry()})
}

// keyTry is how often the own record was written in vain, in a hub that is large: there a server that is late is given more
// time, and is not asked the same again before it had it.
func (m *Machine) keyTry() int {
	if m.beyond() == 0 {
		return 0
	}
	return max(m.key.tries-1, 0)
}

// recordShare is each node's share of the time for records, which reach all nodes; newcomerShare that of a node that waits to be
// admitted. It renews nothing by them, and writes another one if it has to take the role over.
const (
	recordShare   = 25 * time.Millisecond
	newcomerShare = 100 * time.Millisecond
)

// recordPace is the interval of the records of a node that lives by them: a heartbeat, and in a large hub more, up to half a
// lease. When the coordinator is late all nodes live by them, and n nodes take n*n records just when there is no time.
func (m *Machine) recordPace() time.Duration {
	c := m.settings()
	if c.Failover == protocol.FailoverFast {
		return c.Heartbeat.Std() // by which a node lives that is late
	}
	if !m.Member() { // it has no lease; but nobody must take its name for free
		return max(c.Heartbeat.Std(), min(m.beyond()*newcomerShare, 2*c.Lease.Std()-c.Heartbeat.Std()))
	}
	return max(c.Heartbeat.Std(), min(m.beyond()*recordShare, c.Lease.Std()/2))
}

// keyInterval is recordPace while the lease lives by this key, and longer while the coordinator
// keeps it.
func (m *Machine) keyInterval() time.Duration {
	c := m.settings()
	switch {
	case m.lead != nil:
		return min(c.Authority.Std()/5, keyPace)
	case m.Member() && m.beats.kept(m.now.Mono, c.Heartbeat.Std()):
		return max(keyPace, c.Heartbeat.Std())
	}
	return m.recordPace()
}

func (m *Machine) ownRecord() protocol.NodeRecord {
	c := m.settings()
	rec := protocol.NodeRecord{
		V: 1, Incarnation: m.self, Status: m.ownStatus(), Labels: m.cfg.Labels, Capacity: m.cfg.Capacity,
		Children: m.report.Children, Active: min(m.report.Active, m.report.Children), Version: m.cfg.Version, Started: m.started,
		Lease: c.Lease, Beat: m.key.beat, Conn: *m.conn, Generation: m.generation,
	}
	switch {
	case m.lead != nil:
		rec.Lease = c.Authority
	case !m.Member():
		rec.Lease = 0 // it trusts nothing yet
	}
	if m.leaving {
		rec.Status, rec.Reason = protocol.Left, "left in order"
	}
	rec.Withdrew, rec.Hub = m.withdrawal(), m.hub()
	return m.signRecord(rec)
}

// nodeWritten takes the result of a write: of the own record, or of a fence.
func (m *Machine) nodeWritten(e NodeWritten) {
	if e.Write.Record.Incarnation != m.self || e.Write.Record.Status == protocol.Lost {
		m.fenceWritten(e)
		return
	}
	k := &m.key
	if !k.busy || e.Write.Record.Beat != k.beat {
		return // of a connection that is no more
	}
	k.busy = false
	if e.Outcome != Done {
		m.readOwnKey()
		return
	}
	if e.Revision <= k.floor {
		m.readAgain(protocol.NodesBucket) // it may not be the bucket that it was
	}
	k.tries = 0
	k.claimed, k.last = true, written{sent: k.sent, revision: e.Revision, beat: k.beat, fresh: true}
	m.nodeStored(recordOf(e.Write.Record, e.Revision))
	if e.Write.Record.Status == protocol.Left {
		m.hasLeft()
		return
	}
	if k.doubt.write && k.doubt.is {
		if k.doubt.healed == 0 && e.Revision > k.doubt.at {
			k.doubt.healed = e.Revision
		}
		return
	}
	k.fresh, k.accepted = true, k.sent
	if m.lead == nil {
		m.renew(k.sent, m.settings().Lease.Std())
	}
}

// doubts notes that a fence may have stood under the own key that this node has not read.
func (m *Machine) doubts() {
	d := &m.key.doubt
	d.is, d.at, d.healed = true, m.nodes.Revision(m.self.Node), 0
	m.key.urgent = true
}

// vouched takes that no fence before a record of this node's counts.
func (m *Machine) vouched(revision uint64) {
	k := &m.key
	if d := &k.doubt; d.is && d.healed > 0 && revision >= d.healed {
		d.is, d.healed = false, 0
		k.fresh = k.fresh || k.last.fresh
	}
}

// vouchDue commits a view for the sake of the own record: whoever has fenced this coordinator before that record can't follow
// on the view before any more. It needs no authority, as a takeover needs none.
func (m *Machine) vouchDue() {
	d := &m.key.doubt
	if !m.vouches() || m.op != nil || m.now.Mono < d.next || m.holdsBack(protocol.PlacementBucket) {
		return
	}
	if m.authority() && m.now.Mono-m.key.accepted < m.keyInterval() || m.viewHidden() {
		return
	}
	d.next = m.now.Mono + m.settings().Heartbeat.Std()
	m.commit("the coordinator's record was overwritten", nil, nil)
}

// vouches reports whether this node is a coordinator that a view is to vouch for.
func (m *Machine) vouches() bool {
	return m.lead != nil && m.key.doubt.healed > 0 && m.ready() && !m.leaving
}

// viewHidden reports whether what stands in the place of the view is foreign. The view of one that followed may have stood there: a
// commit would follow on the forgery, and not be refused.
func (m *Machine) viewHidden() bool {
	return m.history.bad[protocol.ViewKey] != "" && !m.cfg.Unsafe.VouchOverForeign
}

// doubtEnds gives up the role when there is no telling whether somebody followed, and no authority left that would be proof
// that nobody did.
func (m *Machine) doubtEnds() {
	if m.vouches() && m.op == nil && m.viewHidden() && !m.authority() {
		m.reincarnate("its record and the view were overwritten, so it may have been fenced and followed")
	}
}

// vouch has a view of this coordinator name its record, if that is in doubt.
func (m *Machine) vouch(v *protocol.View) {
	if old := m.history.View(); old != nil && old.Coordinator == m.self {
		v.Beat = old.Beat
	}
	if d := &m.key.doubt; d.healed > 0 {
		v.Beat, d.named = m.key.last.beat, m.key.last
	}
}

// vouchedBy takes that a view of this coordinator is committed. The record that it names renews.
func (m *Machine) vouchedBy(v *protocol.View) {
	k := &m.key
	named := k.doubt.named
	if v.Coordinator != m.self || named.beat == 0 || v.Beat != named.beat {
		return
	}
	k.doubt.named = written{}
	k.accepted, k.fresh = max(k.accepted, named.sent), k.fresh || named.fresh
	m.vouched(named.revision)
}

// term is for how long others wait for this node.
func (m *Machine) term() time.Duration {
	c := m.settings()
	if m.lead != nil {
		return c.Authority.Std()
	}
	return c.Lease.Std()
}

func (m *Machine) hasLeft() {
	m.left = true
	m.trust.drop(string(protocol.Left))
	m.do(HasLeft{})
}

func (m *Machine) readOwnKey() {
	if !m.key.reading {
		m.key.reading = true
		m.do(ReadKey{Bucket: protocol.NodesBucket, Key: m.self.Node, Known: m.keyKnown(protocol.NodesBucket, m.self.Node), Try: m.keyTry()})
	}
}

// readKey reads a key from the stream's leader.
func (m *Machine) readKey(b protocol.Bucket, key string) {
	m.do(ReadKey{Bucket: b, Key: key, Known: m.keyKnown(b, key)})
}

// keyKnown returns the revision of a key that was read, or that this node wrote.
func (m *Machine) keyKnown(b protocol.Bucket, key string) uint64 {
	switch b {
	case protocol.PlacementBucket:
		return m.history.keys[key]
	case protocol.ChildrenBucket:
		return m.specs.keys[key]
	default:
		return m.nodes.sure[key]
	}
}

// keyRead takes what the stream's leader has under a key.
func (m *Machine) keyRead(e KeyRead) {
	if e.Bucket != protocol.NodesBucket {
		m.refusedRead(e)
		return
	}
	if e.Outcome == Done {
		m.nodeRead(e)
	}
	if e.Key == m.self.Node && m.key.reading {
		m.key.reading = false
		m.key.urgent = e.Outcome == Done
		m.key.next = m.now.Mono + m.settings().Heartbeat.Std()/4
	}
	m.fenceRead(e)
}

// nodeRead takes a record read from the leader, also one that says that nothing is left of the key.
func (m *Machine) nodeRead(e KeyRead) {
	if e.Record.Revision < e.Known {
		m.readAgain(protocol.NodesBucket) // it may not be the bucket that it was
	}
	if e.Record.Revision == 0 {
		if m.keyKnown(e.Bucket, e.Key) > e.Known {
			return // it was written since
		}
		m.nodes.forget(e.Key)
		m.keySeen(e.Key)
		return
	}
	m.nodeStored(e.Record)
}

// keySeen looks whether the own key still says that this incarnation lives.
func (m *Machine) keySeen(node string) {
	if node != m.self.Node || m.left {
		return
	}
	known := m.nodes.Get(node)
	own := known != nil && known.ID == m.self.ID // also if the answer to the write got lost
	switch {
	case !m.key.claimed && !own:
	case (m.nodes.bad[node] != "" || known == nil) && m.keyFollowed(known):
		m.key.urgent = true // somebody overwrote it with what means nothing
	case m.nodes.bad[node] != "" || known == nil:
		m.doubts()
	case known.ID != m.self.ID:
		m.reincarnate("its name was taken by another incarnation")
	case !known.Status.Alive() && !m.leaving && !m.cfg.Unsafe.IgnoreFence:
		m.reincarnate("fenced by " + known.By)
	}
}

// keyFollowed reports whether nothing that was stored since this node's last record was missed, so that no
// fence stood under its key before what stands there now.
func (m *Machine) keyFollowed(known *Known) bool {
	if m.cfg.Unsafe.KeyAnyway {
		return true
	}
	from := m.key.last.revision
	if known != nil && known.ID == m.self.ID {
		from = max(from, known.Revision)
	}
	now := m.nodes.Revision(m.self.Node)
	return now > 0 && now <= m.nodes.Last() && m.nodes.gap <= from
}

// forget notes that nothing is left of a key.
func (n *Nodes) forget(node string) {
	delete(n.nodes, node)
	delete(n.bad, node)
	n.keys[node], n.sure[node] = 0, 0
}

func recordOf(rec protocol.NodeRecord, revision uint64) Record {
	value, err := json.Marshal(rec)
	if err != nil {
		panic("phub: encode a node's record: " + err.Error()) // it holds nothing that JSON can't
	}
	return Record{Bucket: protocol.NodesBucket, Key: rec.Node, Value: value, Revision: revision}
}
