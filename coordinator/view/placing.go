package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
)

// placing is the coordinator's work on placement.
type placing struct {
	dirty map[string]bool // children to look at
	all   bool            // look at all of them
	after time.Duration   // but not before this instant: promotions go first
	// unsettled are the children whose entry is not carried out by all its nodes, and since when.
	unsettled map[string]time.Duration
	queue     []planned                      // what was planned and is not committed yet
	queued    set                            // the children in queue
	failures  map[string]fails               // replicas that were given up
	failing   map[string]map[string]*failing // replicas that were restarted, by child and node
	thaw      time.Duration                  // when the next of both may be tried again; 0: none
	waiting   map[string]set                 // by node: what it says it waits for
	balance   time.Duration                  // the next step of balance not before this instant
	balanced  bool                           // nothing is left to balance
	drainAt   time.Duration                  // drains are looked at not before this instant
	calm      time.Duration                  // when what waits for calm was last looked at
	moves     map[string]string              // children that somebody asked to move, and where to
	takenBack map[string]string              // children whose last change was taken back, and why
}

type (
	set   map[string]bool
	fails map[string]*failure // by node
)

// failure is a replica that a node runs no more, because it was given up there or its worker ended for good.
type failure struct {
	protocol.Failure
	spec  uint64        // the revision of the spec that it ran by
	ended bool          // its worker ended as its restart policy allows
	until time.Duration // not tried there again before
	times int
}

// planned is a plan with the state that it was made for.
type planned struct {
	placement.Plan
	entry *Placed
	spec  uint64
	pin   string // the node that somebody asked for
	// change has the nodes whose replicas are to run from now on what the spec is being changed to.
	change []string
}

const (
	// repairHold is for how long new replicas wait after a loss, for the promotions to be over.
	repairHold = 200 * time.Millisecond
	// settleDelay is for how long a new member waits for a share of the load.
	settleDelay = time.Second
	// balanceEvery and balanceStep bound the pace at which load is moved.
	balanceEvery = 100 * time.Millisecond
	balanceStep  = 200
	// balancePatience is for how long balance waits for a child that is not settled.
	balancePatience = 5 * time.Second
	// calmMost is for how long starts, stops and repairs may keep departures, drains and balance waiting.
	calmMost = time.Second
	// coolDown is for how long a node is avoided after it gave a replica up; doubled each time.
	coolDown    = 30 * time.Second
	maxCoolDown = 10 * time.Minute
)

func (p *placing) reset() {
	*p = placing{
		dirty: map[string]bool{}, unsettled: map[string]time.Duration{}, failures: map[string]fails{}, failing: map[string]map[string]*failing{},
		waiting: map[string]set{}, moves: map[string]string{}, takenBack: map[string]string{}, all: true,
	}
}

// touch marks a child to be looked at, because what is wanted of it, or can be had, is another now.
func (p *placing) touch(child string) {
	p.look(child)
	p.balanced = false
}

// look marks a child to be looked at, because a step of its is done or asked for. The load is as even as somebody wants it.
func (p *placing) look(child string) { p.dirty[child] = true }

// leadLoaded starts from what the buckets hold.
func (m *Machine) leadLoaded() {
	p := &m.lead.placing
	p.balance = m.now.Mono + settleDelay
	p.calm = m.now.Mono
	m.leadReport() // what this node itself still waits for it has said before it had the role
	for child, e := range m.history.entries {
		p.unsettled[child] = m.now.Mono
		for _, f := range e.Failed {
			m.remember(child, failure{Failure: f, spec: e.Spec}, coolDown)
		}
		for _, f := range e.Failing {
			if slices.Contains(m.alive(e), f.Node) {
				m.rememberFailing(child, f)
			}
		}
	}
}

// placingCommit follows a commit.
func (m *Machine) placingCommit(c Commit) {
	p := &m.lead.placing
	m.lead.news = true
	m.noteCommit(c.Changed)
	for _, ch := range c.Changed {
		p.unsettled[ch.Child] = m.now.Mono
	}
	if !sameMembers(c.Before, c.After) {
		p.all, p.balanced = true, false
		p.enqueue(nil)
		p.balance = m.now.Mono + settleDelay
		if lost := c.lost(); len(lost) > 0 {
			p.forgetFailing(lost)
			p.after = m.now.Mono + repairHold
			m.unsettleWaiting()
		}
	}
	for _, ch := range c.Changed {
		m.forgetFailures(ch.Child)
	}
	m.settle(c)
}

// unsettle notes that a child is not settled, if that is not known yet.
func (m *Machine) unsettle(child string) {
	if p := &m.lead.placing; !p.isUnsettled(child) {
		p.unsettled[child] = m.now.Mono
	}
}

func (p *placing) isUnsettled(child string) bool {
	_, ok := p.unsettled[child]
	return ok
}

// settling reports whether a child has been unsettled for no longer than balance waits for it.
func (m *Machine) settling() bool {
	for _, since := range m.lead.placing.unsettled {
		if m.now.Mono < since+balancePatience {
			return true
		}
	}
	return false
}

// unsettleWaiting has those children looked at again who wait for a release: another replica may wait for
// it now.
func (m *Machine) unsettleWaiting() {
	for child, e := range m.history.entries {
		if len(e.After) > 0 {
			m.unsettle(child)
		}
	}
}

// settle looks at what a commit made of the children that it changed: a report that came before it may
// say all that there is to say, a failure included.
func (m *Machine) settle(c Commit) {
	for _, x := range m.history.View().Members {
		r, _ := m.reportOf(x.Node)
		for _, f := range r.Failed {
			m.replicaFailed(x.Node, f)
		}
	}
	for _, ch := range c.Changed {
		m.settleChild(ch.Child)
	}
}

// reported takes a node's report.
func (m *Machine) reported(node string, r protocol.Report) {
	p := &m.lead.placing
	m.lead.news = true
	w := make(set, len(r.Waiting))
	for _, child := range r.Waiting {
		w[child] = true
	}
	p.waiting[node] = w
	for _, f := range r.Failed {
		m.replicaFailed(node, f)
	}
	m.noteRestarts(node, r.Restarted)
	for child := range p.unsettled {
		m.settleChild(child)
	}
}

// settledAt reports whether a node has carried out a child's entry.
func (m *Machine) settledAt(node, child string, view uint64) bool {
	r, ok := m.reportOf(node)
	if _, awaits := m.local.awaiting[child]; awaits && node == m.self.Node { // the running side knows nothing of the entry
		return false
	}
	return ok && r.Settled >= view && (!m.lead.placing.waiting[node][child] || m.cfg.Unsafe.ReportsInPart)
}

// carriedOut reports whether a node has carried out its role: the entry, and the view since then that made
// the role what it is. What a replica settled while it was passive says nothing of its being active.
func (m *Machine) carriedOut(r protocol.Role, e *Placed) bool {
	return m.settledAt(r.Node, e.Child, max(e.View, r.Epoch))
}

// settleChild looks whether all nodes have carried out a child's entry, and what follows.
func (m *Machine) settleChild(child string) {
	p := &m.lead.placing
	e := m.history.Entry(child)
	if e == nil {
		delete(p.unsettled, child)
		return
	}
	if !m.settled(e) {
		return
	}
	delete(p.unsettled, child)
	p.drainAt = min(p.drainAt, m.now.Mono+drainEvery)
	if len(e.After) > 0 || len(e.Replicas) == 0 || p.moves[child] != "" || m.changesYet(child, e) || len(p.failing[child]) > 0 && m.failsNow(child, first(m.alive(e))) {
		p.look(child)
	}
}

// settled reports whether all nodes say in their last reports that they have carried an entry out. A
// report may say less than the one before: a spec that a node needs is gone, say.
func (m *Machine) settled(e *Placed) bool {
	for _, r := range protocol.Derive(m.history.View(), &e.Entry) {
		if !m.carriedOut(r, e) {
			return false
		}
	}
	return len(e.Replicas) > 0 || len(m.unreleased(e)) == 0
}

// unreleased returns the members that may still run the child although the entry names others.
func (m *Machine) unreleased(e *Placed) []string {
	var nodes []string
	for _, n := range e.After {
		x := m.history.View().Member(n)
		if x != nil && x.Since <= e.View && !slices.ContainsFunc(e.Replicas, func(r protocol.Replica) bool { return r.Node == n }) &&
			len(e.Replicas) == 0 && !m.settledAt(n, e.Child, e.View) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// replicaFailed takes that a node gave a replica up, or that its worker ended for good. How long the text is, only this side
// decides: it becomes part of an entry, of events and of answers.
func (m *Machine) replicaFailed(node string, f protocol.Failed) {
	f.Error = protocol.Cut(f.Error, protocol.MaxText)
	e := m.history.Entry(f.Child)
	if e == nil || e.View != f.View || !slices.ContainsFunc(e.Replicas, func(r protocol.Replica) bool { return r.Node == node }) {
		return // an entry that is no more
	}
	if f.Ended {
		m.replicaEnded(node, e)
		return
	}
	p := &m.lead.placing
	if old := p.failures[f.Child][node]; old != nil && old.View == f.View || m.takeBackChange(e, node, f.Error) {
		return
	}
	delete(p.failing[f.Child], node) // it is not there any more
	m.remember(f.Child, failure{Failure: protocol.Failure{Node: node, Error: f.Error, View: f.View}, spec: e.Spec}, 0)
	p.touch(f.Child)
	m.note(Warn, "replica of %s on %s given up: %s", f.Child, node, f.Error)
	m.event(protocol.ReplicaFailed, protocol.Event{Child: f.Child, Node: node, Reason: f.Error})
}

// replicaEnded stops a child, because its worker ended for good. A report says so again and again, as long as the entry is the
// same; if the child was started anew meanwhile, that says nothing of the new spec.
func (m *Machine) replicaEnded(node string, e *Placed) {
	p := &m.lead.placing
	if old := p.failures[e.Child][node]; old == nil || old.View != e.View {
		m.remember(e.Child, failure{Failure: protocol.Failure{Node: node, View: e.View}, spec: e.Spec, ended: true}, 0)
	}
	_, rev := m.specs.Get(e.Child)
	_, busy := m.lead.desired.changing(e.Child)
	if busy || !m.lead.desired.same(e.Child, rev, e.Spec) && !m.cfg.Unsafe.EndedAnyway {
		return
	}
	m.note(Info, "child %s ended on %s: stopped, as its restart policy says", e.Child, node)
	m.lead.desired.push(specWrite{child: e.Child})
}

// remember keeps a failure, and for how long the node is not tried again; 0: for longer each time.
func (m *Machine) remember(child string, f failure, wait time.Duration) {
	p := &m.lead.placing
	f.Error = protocol.Cut(f.Error, protocol.MaxText)
	if p.failures[child] == nil {
		p.failures[child] = fails{}
	}
	f.times = 1
	if old := p.failures[child][f.Node]; old != nil && m.lead.desired.same(child, old.spec, f.spec) {
		f.times = old.times + 1
	}
	if wait == 0 {
		wait = min(coolDown<<min(f.times-1, 8), maxCoolDown)
	}
	f.until = m.now.Mono + wait
	p.failures[child][f.Node] = &f
	if p.thaw == 0 || f.until < p.thaw {
		p.thaw = f.until
	}
}

// respecify takes that a child's spec is another now, or none: what was tried with the one before says nothing of it. Whether a
// node runs the replica of the present entry it still says: that entry's end has to wait for those before it. If the
// same spec was only written again, all counts as it did.
func (m *Machine) respecify(c SpecChange) {
	p := &m.lead.placing
	if m.lead.desired.since[c.Child] != 0 {
		return // somebody else changed it, and that is undone
	}
	if sameSpec(c.Before, c.After) {
		for _, f := range p.failures[c.Child] {
			if f.spec == c.Was {
				f.spec = c.Revision
			}
		}
		return
	}
	delete(p.failing, c.Child)
	if c.After == nil {
		delete(p.moves, c.Child)
		delete(p.takenBack, c.Child)
	}
	m.forgetFailures(c.Child)
}

// forgetFailures forgets what was tried with a child that there is no more.
func (m *Machine) forgetFailures(child string) {
	spec, _ := m.specs.Get(child)
	if spec == nil && m.history.Entry(child) == nil {
		delete(m.lead.placing.failures, child)
	}
}

// avoided returns the nodes that are not to be used for a child now. A node on which it was given up
// by the present entry tries again only by another one.
func (m *Machine) avoided(child string) []string {
	var nodes []string
	e := m.history.Entry(child)
	_, rev := m.specs.Get(child)
	for _, node := range sortedKeys(m.lead.placing.failures[child]) {
		f := m.lead.placing.failures[child][node]
		if !f.ended && m.lead.desired.same(child, f.spec, rev) && (m.now.Mono < f.until || e != nil && f.View == e.View) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// thawed tries again where replicas were given up long enough ago.
func (m *Machine) thawed() {
	p := &m.lead.placing
	if p.thaw == 0 || m.now.Mono < p.thaw {
		return
	}
	p.thaw = m.failingThawed()
	for child, fs := range p.failures {
		m.forgetFailures(child)
		for _, f := range fs {
			switch {
			case m.now.Mono >= f.until:
				p.touch(child)
			case p.thaw == 0 || f.until < p.thaw:
				p.thaw = f.until
			}
		}
	}
}

// replan looks at everything again: what was being committed may or may not have been.
func (m *Machine) replan() {
	if m.lead != nil {
		m.lead.placing.all = true
		m.lead.placing.enqueue(nil)
	}
}
