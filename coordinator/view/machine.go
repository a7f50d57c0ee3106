package view

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Config is what a Machine is made with.
type Config struct {
	Hub, Node string
	// NewID returns a new incarnation's UUID at each call.
	NewID    func() string
	Labels   map[string]string
	Capacity int // 0 means 1
	Version  string
	// Want is what this node asks of the hub's configuration; what it leaves open it takes as it is.
	Want protocol.Config
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
	now  Now
	time string // of now, once it is asked for
	out  []Action

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
	kicks   kicks
	leaving bool
	left    bool
	started string
}

// load is the reading of one bucket.
type load struct {
	busy  bool
	again bool          // to be read although nothing is known to be missing
	fresh bool          // the one under way began after that was asked for
	tries int           // since the last that succeeded
	short int           // answers in a row that end before what is known
	retry time.Duration // not before this instant
	began time.Duration // when the last one did; 0: none has
}

// TickEvery is how often a Tick is due.
const TickEvery = 25 * time.Millisecond

// New returns a machine that is offline.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg: cfg, self: protocol.Incarnation{Node: cfg.Node, ID: cfg.NewID()},
		loads: map[protocol.Bucket]*load{}, refused: map[protocol.Bucket]int{}, kicks: kicks{of: map[string]time.Duration{}},
	}
	m.forget()
	m.local.reset()
	return m
}

// forget begins to follow the buckets from nothing. Only the numbers of views go on, so that epochs still
// grow.
func (m *Machine) forget() {
	newest := uint64(0)
	if m.history != nil {
		newest = m.history.Newest()
	}
	m.history, m.specs, m.nodes = NewHistory(), NewSpecs(), NewNodes()
	m.history.newest = newest
	m.history.unsafe, m.nodes.unsafe = m.cfg.Unsafe, m.cfg.Unsafe
}

// Step takes one event, and returns what is to be done.
func (m *Machine) Step(now Now, e Event) []Action {
	m.now, m.time, m.out = now, "", nil
	if m.started == "" {
		m.started = m.wall()
	}
	if m.lead != nil {
		if _, record := e.(RecordStored); !record {
			m.lead.news = true
		}
	}
	m.keepPace(e)
	due := true
	switch e := e.(type) {
	case Connected:
		m.connect(e.Conn)
	case Disconnected:
		m.disconnect()
	case Leave:
		m.leaving = true
	case LocalReport:
		m.takeReport(e.Report)
	case RecordStored:
		due = m.stored(e.Record)
	case RecordsMissed:
		m.recordsMissed(e.Bucket)
	case RecordsLoaded:
		m.loaded(e)
	case NodeWritten:
		m.nodeWritten(e)
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
	default:
		m.leadStep(e)
	}
	if m.conn != nil && due {
		m.proceed()
	}
	m.setTrust()
	return m.out
}

// proceed does what is due, whatever happened last.
func (m *Machine) proceed() {
	m.contactDue()
	m.loadDue()
	if !m.ready() {
		m.keepOn()
		return
	}
	if m.refusesConfig() {
		return
	}
	m.keyDue()
	m.beatDue()
	m.candidate()
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

// Member reports whether this incarnation is a member of the last view that this node knows.
func (m *Machine) Member() bool { return m.history.View().Has(m.self) }

// Authority returns for how long the coordinator may trust itself at most: no other node may for longer.
func (m *Machine) Authority() time.Duration { return m.settings().Authority.Std() }

func (m *Machine) settings() protocol.Config {
	if c := m.history.Config(); c != nil {
		return *c
	}
	return m.cfg.Want.WithDefaults()
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
	m.key.disconnected()
	m.beats.reset()
	m.coord.reset()
	m.op = nil
	if m.lead != nil {
		m.lead.disconnected()
		m.replan()
	}
}

// reincarnate starts this node's membership anew, after a fence.
func (m *Machine) reincarnate(why string) {
	m.note(Warn, "incarnation %s of %s ended (%s): joining again as a new one", m.self.ID, m.self.Node, why)
	m.trust.drop("fenced")
	m.setTrust()
	m.stepDown(why)
	m.self.ID = m.cfg.NewID()
	m.key = ownKey{}
	m.beats.reset()
	m.coord.reset()
	m.local.reset()
	m.do(Assign{View: m.viewNumber(), Reset: true})
}

// stored takes a record, and reports whether anything may be due after it: thousands arrive one by
// one when many children start.
func (m *Machine) stored(r Record) bool {
	switch r.Bucket {
	case protocol.PlacementBucket:
		commits := m.history.Stored(r)
		m.committed(commits)
		return len(commits) > 0 || !m.history.Synced() || m.history.bad[r.Key] != ""
	case protocol.ChildrenBucket:
		m.specsChanged(m.specs.Stored(r))
		return !m.specs.Synced()
	case protocol.NodesBucket:
		m.nodeStored(r)
	}
	return true
}

func (m *Machine) nodeStored(r Record) {
	if m.nodes.Stored(m.now.Mono, r) {
		m.keySeen(r.Key)
		m.leadNode(r.Key)
	}
}

func (m *Machine) committed(commits []Commit) {
	for _, c := range commits {
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

// loadDue reads the buckets of which something is missing.
func (m *Machine) loadDue() {
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		f := m.feedOf(b)
		l := m.loads[b]
		if l == nil {
			l = &load{}
			m.loads[b] = l
		}
		if b == protocol.NodesBucket && m.nodes.Missed(m.now.Mono) {
			l.again = true
		}
		if f.Synced() && !l.again || l.busy || m.now.Mono < l.retry {
			continue
		}
		l.busy, l.fresh, l.began = true, l.again, m.now.Mono
		m.do(Load{Bucket: b, After: f.Last(), Try: l.tries})
	}
}

// reload reads what is missing of a bucket, although no hole in the live records told so.
func (m *Machine) reload(b protocol.Bucket) {
	if f := m.feedOf(b); f.loaded {
		f.loaded = false
	}
}

// readAgain reads what is missing of a bucket, while what is known stays good for everything else.
func (m *Machine) readAgain(b protocol.Bucket) {
	if m.loads[b] == nil {
		m.loads[b] = &load{}
	}
	m.loads[b].again = true
}

// recordsMissed has a bucket read of which live records were lost. While more are lost all the time, it is read at a steady
// pace.
func (m *Machine) recordsMissed(b protocol.Bucket) {
	m.readAgain(b)
	if l := m.loads[b]; l.began > 0 {
		l.retry = max(l.retry, l.began+missedPause)
	}
}

const missedPause = 250 * time.Millisecond

const loadRetry = 100 * time.Millisecond

// A bucket that ends before what was read of it may be read from a server that is behind. If it still
// does after some time, it is not the bucket that it was.
const (
	shortRetry = 500 * time.Millisecond
	shortMost  = 4
)

func (m *Machine) loaded(e RecordsLoaded) {
	l := m.loads[e.Bucket]
	if l == nil || !l.busy {
		return // of a connection that is no more
	}
	l.busy = false
	l.tries++
	if e.Outcome != Done {
		l.retry = m.now.Mono + loadRetry
		return
	}
	l.tries = 0
	if f := m.feedOf(e.Bucket); e.Last < f.Last() {
		l.retry = m.now.Mono + shortRetry
		if l.short++; l.short >= shortMost {
			m.historyLost(e.Bucket, f.Last(), e.Last)
		}
		return
	}
	l.short = 0
	switch e.Bucket {
	case protocol.PlacementBucket:
		m.committed(m.history.Loaded(e.Records, e.Last))
	case protocol.ChildrenBucket:
		m.specsChanged(m.specs.Loaded(e.Records, e.Last))
		if m.lead != nil && l.again == l.fresh {
			m.lead.inherits = false
		}
	case protocol.NodesBucket:
		m.nodesLoaded(e)
	}
	l.again = l.again && !l.fresh
}

func (m *Machine) nodesLoaded(e RecordsLoaded) {
	for _, r := range e.Records {
		m.nodeStored(r)
	}
	m.nodes.Loaded(m.now.Mono, nil, e.Last)
}

// historyLost starts from nothing: the bucket is not the one that this node followed.
func (m *Machine) historyLost(b protocol.Bucket, had, has uint64) {
	m.note(Error, "bucket %s went back from revision %d to %d: it was deleted, or restored from an older copy; starting anew from what it holds", b, had, has)
	m.startAnew("the hub's history was replaced")
}

// startAnew follows the buckets from nothing, as another incarnation: what this one decided and was granted rests on
// what it knew.
func (m *Machine) startAnew(why string) {
	m.stepDown(why)
	m.forget()
	clear(m.loads)
	clear(m.refused)
	m.reincarnate(why)
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
