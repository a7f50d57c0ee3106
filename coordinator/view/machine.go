package view

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Config is what a Machine is made with.
type Config struct {
	Hub, Node string
	// Keys makes this node's incarnations, and signs for them.
	Keys     Keys
	Labels   map[string]string
	Capacity int      // 0 means 1
	Kinds    []string // that this node runs; nothing: not known
	Version  string
	// Want is what this node asks of the hub's configuration; what it leaves open it takes as it is.
	Want protocol.Config
	// GoneAfter is for how long the record of a node that is gone stays. Default: the constant of that name.
	GoneAfter time.Duration
	// Crowd has this node keep the order of a large hub in a small one: its records, questions and repeated heartbeats are rarer.
	// It is for tests.
	Crowd bool
	// Unsafe is for tests only.
	Unsafe Unsafe
}

// Machine is one node's deciding side: its own membership and trust, and the coordinator's role while
// it holds that. It is not safe for concurrent use.
//
// Step takes one event and returns the actions that follow from it, in an order that matters: what
// takes trust away comes before what lets another have it.
//
//	          Connected, buckets read, key claimed         the coordinator's view has it
//	offline ------------------------------------> joining ------------------------------> member
//	   ^                                             |                                       |
//	   |  Disconnected (same incarnation)            |   fenced: new incarnation             |
//	   +---------------------------------------------+<--------------------------------------+
//
// A joining node or member whose coordinator is dead takes the role over: see takeover.go.
type Machine struct {
	cfg  Config
	self protocol.Incarnation
	// former are the incarnations that this process had, at most maxFormer; generation is the newest one's.
	former     []string
	generation uint64
	now        Now
	time       string // of now, once it is asked for
	out        []Action

	conn    *protocol.Conn // nil while offline
	history *History
	specs   *Specs
	nodes   *Nodes
	loads   map[protocol.Bucket]*load

	contact contact
	touched time.Duration // when there was contact last, over whatever connection; 0: never
	key     ownKey
	beats   beats
	trust   trust
	local   local
	report  protocol.Report
	coord   candidacy
	op      *commitOp // the commit under way
	ops     uint64    // counts commits, for their nonces
	lead    *lead     // nil unless this node holds the role
	pace    pace
	refused map[protocol.Bucket]int // conflicts in a row
	// troubles are what NATS refuses this node, or does not answer.
	troubles  map[access]*trouble
	asked     map[string]time.Duration // when a node's record was last read for a fence
	kicks     kicks
	domain    string          // JetStream's, of the buckets
	kept      protocol.Config // of the hub, when the buckets began to be followed from nothing
	neighbour neighbour
	ignored   string // which of this node's options the hub does not obey
	belonged  bool   // some incarnation of this process was a member
	// draining says that this node is going to leave, and is to be rid of all that it has before.
	draining bool
	stuck    int // how many of its children nobody can take at this moment, as the coordinator says
	leaving  bool
	left     bool
	started  string
}

// TickEvery is how often a Tick is due while there is something to watch: see Rest.
const TickEvery = 25 * time.Millisecond

// New returns a machine that is offline.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg: cfg, self: protocol.Incarnation{Node: cfg.Node, ID: cfg.Keys.NewID()},
		loads: map[protocol.Bucket]*load{}, refused: map[protocol.Bucket]int{}, troubles: map[access]*trouble{}, asked: map[string]time.Duration{}, kicks: kicks{of: map[string]time.Duration{}},
	}
	m.forget()
	m.local.reset()
	return m
}

// forget begins to follow the buckets from nothing. Only the numbers of views go on, so that epochs still
// grow.
func (m *Machine) forget() {
	m.keep()
	newest := uint64(0)
	if m.history != nil {
		newest = m.history.Newest()
	}
	m.history, m.specs, m.nodes = NewHistory(), NewSpecs(), NewNodes()
	m.history.newest = newest
	m.history.unsafe, m.nodes.unsafe = m.cfg.Unsafe, m.cfg.Unsafe
	m.history.authors, m.nodes.authors, m.nodes.minor = m.cfg.Keys, m.cfg.Keys, m.minor
}

// Step takes one event, and returns what is to be done.
func (m *Machine) Step(now Now, e Event) []Action {
	m.now, m.time, m.out = now, "", nil
	if m.started == "" {
		m.started = m.wall()
	}
	if m.lead != nil && m.isNews(e) {
		m.lead.news = true
	}
	m.keepPace(e)
	due := true
	switch e := e.(type) {
	case Connected:
		m.connect(e.Conn)
		m.domain = cmp.Or(e.Domain, m.domain)
	case Disconnected:
		m.disconnect()
	case Drain:
		m.drainOwn()
	case Leave:
		m.leaving = true
	case LocalReport:
		m.takeReport(e.Report)
	case RecordStored:
		due = m.heard(e.Record)
	case RecordsMissed:
		m.recordsMissed(e.Bucket)
	case RecordsLoaded:
		m.tried(e.Bucket, true, e.Outcome, e.Cause)
		m.loaded(e)
	case NodeWritten:
		m.tried(protocol.NodesBucket, false, e.Outcome, e.Cause)
		m.nodeWritten(e)
	case NodeDropped:
		m.tried(protocol.NodesBucket, false, e.Outcome, e.Cause)
		m.nodeDropped(e)
	case KeyRead:
		m.keyRead(e)
	case BeatAnswered:
		m.beatAnswered(e)
	case ConnAnswered:
		m.connAnswered(e)
	case NobodyThere:
		m.nobodyThere(e.Node)
	case Woken:
		m.beatNow()
	case Pinged:
		m.pinged(e)
	case ConnReported:
		m.connReported(e.Conn)
	case Kicked:
		m.kicked(e)
	case BeatReceived:
		m.answerBeat(e)
		due = m.hears(e.Beat.Node)
	default:
		m.leadStep(e)
	}
	if m.conn != nil && due {
		m.proceed()
	}
	m.setTrust()
	return m.out
}

// isNews reports whether something may have happened on which the answer to a control request depends.
func (m *Machine) isNews(e Event) bool {
	switch e := e.(type) {
	case RecordStored:
		return false
	case BeatReceived:
		return m.hears(e.Beat.Node)
	}
	return true
}

// hears reports whether this node, as the coordinator, follows a node's heartbeats. Those of others change nothing, and cost as little
// as can be: anybody may send as many as he likes.
func (m *Machine) hears(node string) bool { return m.lead != nil && m.lead.peers[node] != nil }

// proceed does what is due, whatever happened last.
func (m *Machine) proceed() {
	m.contactDue()
	m.loadDue()
	m.troublesDue()
	if m.lead != nil {
		m.blockedDue()
	}
	if !m.ready() {
		m.keepOn()
		return
	}
	if m.refusesConfig() {
		return
	}
	if m.besideOther() {
		m.beatDue()
		return
	}
	m.missingDue()
	m.keyDue()
	m.beatDue()
	m.candidate()
	m.doubtEnds()
	if m.lead != nil {
		m.leadDue()
	}
}

// keepOn renews what a member had on the connection before this one, while the buckets can't be read:
// their streams may be electing a leader for seconds. That it may have missed a view does no harm:
// whoever follows it waits for its release, or for its removal.
func (m *Machine) keepOn() {
	if !m.Member() {
		return
	}
	m.keyDue()
	m.beatDue()
	if m.lead != nil {
		m.listen()
		m.wakePeers()
	}
}

// ready reports whether all buckets have been read since the connection was opened.
func (m *Machine) ready() bool {
	return m.history.Synced() && m.specs.Synced() && m.nodes.Synced()
}

// Incarnation returns the node's present incarnation.
func (m *Machine) Incarnation() protocol.Incarnation { return m.self }

// View returns the last committed view that this node knows, or nil.
func (m *Machine) View() *protocol.View { return m.history.View() }

// Leads reports whether this node holds the coordinator's role, as far as it knows.
func (m *Machine) Leads() bool { return m.lead != nil }

// Inherited reports whether this node holds the coordinator's role, and has read what is to run.
func (m *Machine) Inherited() bool { return m.lead != nil && !m.lead.inherits }

// Member reports whether this incarnation is a member of the last view that this node knows.
func (m *Machine) Member() bool { return m.history.View().Has(m.self) }

// Stuck returns how many children of this node nobody can take, as far as it knows, if it drains.
func (m *Machine) Stuck() int { return m.stuck }

// Authority returns for how long the coordinator may trust itself at most: no other node may for longer.
func (m *Machine) Authority() time.Duration { return m.settings().Authority.Std() }

func (m *Machine) settings() protocol.Config {
	var c protocol.Config
	if p := m.history.Config(); p != nil {
		c = *p
	} else {
		c = m.kept.Or(m.cfg.Want)
	}
	c.ID = m.hub() // the view has it, too, should somebody have overwritten the configuration
	return c
}

// refusesConfig reports whether this node asked for another configuration than the hub has. It is
// found out before anything is written.
func (m *Machine) refusesConfig() bool {
	c := m.history.Config()
	if m.Member() || c == nil {
		return false
	}
	err := c.Refuses(&m.cfg.Want)
	if err == nil {
		m.ignores(c)
		return false
	}
	m.do(Refused{protocol.Problem{
		Code: protocol.CodeConflict, Message: "hub " + m.cfg.Hub + " is configured otherwise: " + err.Error(), Try: "without that option, or another hub",
	}})
	return true
}

// awayMost is for how long a node may have been away and still follow from where it was: the buckets keep the
// markers of what was deleted for twice as long.
const awayMost = 30 * time.Minute

func (m *Machine) connect(c protocol.Conn) {
	if away := m.now.Mono - m.touched; m.touched > 0 && away > awayMost {
		m.startAnew("away for " + away.Round(time.Second).String())
	}
	m.conn, m.contact = &c, contact{}
	m.pace.steady = m.now.Mono
	m.beats.reset()
	m.coord.reset()
}

// disconnect ends what rested on the connection: trust at once, and the coordinator's word.
func (m *Machine) disconnect() {
	m.conn, m.contact = nil, contact{}
	if !m.cfg.Unsafe.KeepTrust {
		m.trust.drop("disconnected")
	}
	m.history.lost()
	m.specs.lost()
	m.nodes.lost()
	clear(m.loads)
	clear(m.asked)
	m.key.disconnected()
	m.beats.reset()
	m.coord.reset()
	m.op = nil
	if m.lead != nil {
		m.lead.disconnected()
		m.replan()
	}
}

// maxFormer bounds what a node remembers of its former incarnations: a record of one that is older is old
// enough for all to know.
const maxFormer = 64

// reincarnate starts this node's membership anew, after a fence.
func (m *Machine) reincarnate(why string) {
	if m.leaving { // it is out, and its running side has stopped
		m.stepDown(why)
		if !m.left {
			m.hasLeft()
		}
		return
	}
	m.note(Warn, "incarnation %s of %s ended (%s): joining again as a new one", m.self.ID, m.self.Node, why)
	m.trust.drop("fenced")
	m.setTrust()
	m.stepDown(why)
	m.former = append(m.former, m.self.ID)
	if len(m.former) > maxFormer {
		m.former = m.former[1:]
	}
	m.self.ID = m.cfg.Keys.NewID()
	m.key = ownKey{}
	m.beats.reset()
	m.coord.reset()
	m.local.reset()
	m.do(Members{Self: m.self})
	m.do(Assign{View: m.viewNumber(), Reset: true})
}

// heard takes a live record, and reports whether anything may be due after it: thousands arrive one by
// one when many children start.
func (m *Machine) heard(r Record) bool {
	if r.Bucket == protocol.NodesBucket {
		m.nodes.patience = m.newsPatience()
		m.nodeHeard(r)
		return true
	}
	f := m.feedOf(r.Bucket)
	if m.cfg.Unsafe.ObeyLive && r.Revision == f.last+1 {
		m.take(r.Bucket, []Record{r}, r.Revision)
		return true
	}
	f.hinted(r.Revision, m.hintDue(r))
	return f.wants(m.now.Mono) && !m.loads[r.Bucket].underWay()
}

// hintPatience is how long a live record waits for what it belongs to: the view that commits it, or the answer to this
// node's own write.
const hintPatience = TickEvery

// hintDue returns when a bucket is to be read for the sake of a live record.
func (m *Machine) hintDue(r Record) time.Duration {
	placement := r.Bucket == protocol.PlacementBucket
	if m.writes(r) || placement && r.Key != protocol.ViewKey {
		return m.now.Mono + hintPatience
	}
	return m.now.Mono
}

// writes reports whether this node itself is writing the key of a record at this moment.
func (m *Machine) writes(r Record) bool {
	switch {
	case r.Bucket == protocol.PlacementBucket && m.op != nil:
		return m.op.keys[r.Key]
	case r.Bucket == protocol.ChildrenBucket && m.lead != nil && m.lead.desired.op != nil:
		return m.lead.desired.op.keys[r.Key]
	}
	return false
}

// acknowledged takes what this node wrote, as the stream's leader acknowledged it. If something else was stored before it, the
// bucket is read, and until then nothing is decided: what was written is known to be there.
func (m *Machine) acknowledged(b protocol.Bucket, writes []Write, revision uint64) {
	f := m.feedOf(b)
	n := uint64(len(writes))
	if revision != f.last+n {
		if revision > f.last {
			m.reload(b)
		}
		return
	}
	records := make([]Record, 0, n)
	for i, w := range writes {
		records = append(records, Record{Bucket: b, Key: w.Key, Value: w.Value, Deleted: w.Delete, Revision: f.last + 1 + uint64(i)})
	}
	m.take(b, records, revision)
}

// take follows what a stream holds after what is known of it, up to a revision.
func (m *Machine) take(b protocol.Bucket, records []Record, last uint64) {
	loaded := m.feedOf(b).loaded
	switch b {
	case protocol.PlacementBucket:
		commits := m.history.Loaded(records, last)
		m.history.loaded = loaded
		m.committed(commits)
		m.replaced()
	case protocol.ChildrenBucket:
		changes := m.specs.Loaded(records, last)
		m.specs.loaded = loaded
		m.specsChanged(changes)
	}
}

// nodeHeard takes a live record of a node. Of this node's own only its writes are taken.
func (m *Machine) nodeHeard(r Record) {
	own := r.Key == m.self.Node && !m.cfg.Unsafe.ObeyRecords
	switch {
	case own && m.key.busy && bytes.Equal(r.Value, m.key.value):
		return // its answer is about to come
	case own && r.Revision > m.nodes.Revision(r.Key):
		m.nodes.wild(m.now.Mono, r)
		return
	case !m.nodes.Heard(m.now.Mono, r):
		return
	}
	m.keySeen(r.Key)
	m.leadNode(r.Key)
	if m.mayFence(r.Key) && !m.cfg.Unsafe.FenceUnread {
		m.readNode(r.Key, confirmEvery)
	}
}

// nodeStored takes a node's record that was read, or that this node wrote.
func (m *Machine) nodeStored(r Record) {
	if m.nodes.Stored(m.now.Mono, r) {
		m.keySeen(r.Key)
		m.leadNode(r.Key)
	}
}

func (m *Machine) committed(commits []Commit) {
	if len(commits) > 0 && m.kept.ID != "" {
		m.hubChanged()
	}
	for _, c := range commits {
		if c.Before == nil {
			m.beats.next = m.now.Mono // there is a hub now
		}
		m.vouchedBy(c.After)
		m.localCommit(c)
		m.leadCommit(c)
	}
}

func (m *Machine) specsChanged(changes []SpecChange) {
	for _, c := range changes {
		m.localSpec(c)
		m.leadSpec(c)
	}
}

func (m *Machine) feedOf(b protocol.Bucket) *feed {
	switch b {
	case protocol.PlacementBucket:
		return &m.history.feed
	case protocol.ChildrenBucket:
		return &m.specs.feed
	default:
		return &m.nodes.feed
	}
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) note(l Level, format string, args ...any) {
	m.do(Note{Level: l, Text: fmt.Sprintf(format, args...), Key: format})
}

// wall returns the time of this step.
func (m *Machine) wall() string {
	if m.time == "" {
		m.time = m.now.Wall.UTC().Format(protocol.TimeLayout)
	}
	return m.time
}

func (m *Machine) viewNumber() uint64 {
	if v := m.history.View(); v != nil {
		return v.Number
	}
	return 0
}

// sortedKeys makes an iteration over a map the same at each run.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
