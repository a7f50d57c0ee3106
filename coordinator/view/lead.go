package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// lead is what a node keeps while it is the coordinator. All that it decides on is in the buckets or
// comes again with the next heartbeats, so a successor starts from nothing.
type lead struct {
	since uint64           // the view that gave it the role; what was sent by an earlier one was sent to others
	peers map[string]*peer // members but this node, and joining ones; by name

	drains map[protocol.Incarnation]bool // what somebody asked for, and the view does not say yet

	change *protocol.Config // of the configuration, that somebody asked for and that is not stored yet

	desired   desired
	placing   placing
	waits     waits
	announce  announcer
	standIn   standIn
	tidy      tidying
	refused   lastMinute
	badKnown  map[string]bool // bad keys that were reported
	strays    time.Duration   // when something was healed last
	listening bool
	looked    time.Duration // when the buckets' ends were last looked at
	woke      time.Duration // when members were last asked for a heartbeat
	admitted  time.Duration // when nodes were last admitted
	news      bool          // something happened on which the answer to a control request may depend
	// inherits says that not all is read yet of what its predecessors had stored in the children bucket:
	// what arrives is taken as theirs, and nothing that rests on specs is decided.
	inherits bool
	renews   bool // what they stored and nobody placed is to be written again
	// proposed has the members of views that may have been committed, by this node, without its knowing.
	proposed [][]protocol.Member
}

// takeRole starts to coordinate: a committed view names this incarnation.
func (m *Machine) takeRole() {
	v := m.history.View()
	m.note(Info, "coordinator of hub %s from view %d on", m.cfg.Hub, v.Number)
	m.lead = newLead()
	m.lead.since = v.Number
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
	l := &lead{peers: map[string]*peer{}, drains: map[protocol.Incarnation]bool{}, badKnown: map[string]bool{}, waits: newWaits()}
	l.placing.reset()
	l.standIn.reset()
	return l
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
	l.tidy.disconnected()
	clear(l.standIn.standing)
	l.desired.interrupt()
	l.waits = newWaits() // their callers' answers went with the connection
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
		m.tried(protocol.PlacementBucket, false, e.Outcome, e.Cause)
		m.committedOp(e)
	case ControlReceived:
		m.control(e)
	case SpecsWritten:
		m.tried(protocol.ChildrenBucket, false, e.Outcome, e.Cause)
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
	m.drainsCommitted(c)
	m.announceCommit(c)
	m.placingCommit(c)
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
	m.readAgain(protocol.NodesBucket)
	for _, key := range []string{protocol.ViewKey, protocol.ConfigKey} { // that somebody purged one, no reading of what is there tells
		m.readKey(protocol.PlacementBucket, key)
	}
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
	m.watchPeers()
	m.reportBad()
	m.desiredRead()
	if m.lead.news && (m.authority() || m.cfg.Unsafe.ActAnyway) { // a successor may know less of what this one believes to be done
		m.lead.news = false
		m.waitsDue()
	}
	m.desiredDue()
	m.vouchDue()
	if m.op == nil && (m.authority() || m.cfg.Unsafe.ActAnyway) && m.ready() && !m.leaving && !m.holdsBack(protocol.PlacementBucket) {
		m.decide()
		m.desiredDue() // a plan may have found that a change is complete
	}
	m.tidyDue()
	m.announceDue()
	m.standInDue()
}

// decide starts the next commit, if one is due: membership first.
func (m *Machine) decide() {
	// Who joins has confirmed nothing, and who is removed confirms nothing more: see confirmed.
	if (m.key.fresh || m.cfg.Unsafe.ChangeMembers) && m.decideMembers() {
		return
	}
	if m.healHistory() || m.identify() || m.configure() {
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
