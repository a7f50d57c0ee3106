package view

import (
	"slices"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
)

// decidePlacement commits the next batch of entries, if any are due: what the specs ask for first,
// then, when all is calm, a bounded step of balance. Where it is never calm, that has a turn now and then.
func (m *Machine) decidePlacement() {
	p := &m.lead.placing
	m.thawed()
	if p.all && m.now.Mono >= p.after {
		p.all = false
		m.touchAll()
		m.noteAll()
	}
	turn := m.now.Mono >= p.calm+calmMost
	if len(p.queue) == 0 && len(p.dirty) > 0 && m.now.Mono >= p.after && !turn {
		p.enqueue(m.plan())
	}
	if len(p.queue) == 0 {
		if !p.all && (len(p.dirty) == 0 || turn) {
			p.calm = m.now.Mono
			m.decideCalm()
		}
		return
	}
	n := min(len(p.queue), MaxCommit-1)
	batch := p.queue[:n]
	p.queue = p.queue[n:]
	for _, q := range batch {
		delete(p.queued, q.Child)
	}
	m.commitPlans(batch)
}

func (m *Machine) touchAll() {
	for child := range m.history.entries {
		m.lead.placing.dirty[child] = true
	}
	for child := range m.specs.specs {
		m.lead.placing.dirty[child] = true
	}
}

// decideCalm does what waits until nothing else is to be done.
func (m *Machine) decideCalm() {
	p := &m.lead.placing
	if m.decideDrain() || m.forgetGone() {
		return
	}
	v := m.history.View()
	if p.balanced || m.settings().Balance == protocol.BalanceOff || len(v.Gone) > 0 || m.now.Mono < p.balance || m.lead.desired.op != nil {
		return
	}
	if m.settling() {
		return
	}
	p.balance = m.now.Mono + balanceEvery
	children := m.planChildren()
	plans := placement.Balance(m.planNodes(), children, balanceStep)
	if len(plans) == 0 {
		// Children that are not ready were left alone: there will be more to do when they are.
		p.balanced = !slices.ContainsFunc(children, func(c placement.Child) bool { return len(c.Unready) > 0 })
		p.balance = m.now.Mono + settleDelay
		return
	}
	p.enqueue(m.withState(plans))
}

func (p *placing) enqueue(queue []planned) {
	p.queue, p.queued = queue, make(set, len(queue))
	for _, q := range queue {
		p.queued[q.Child] = true
	}
}

// waitsForGone reports whether a stopped child's entry still names somebody who can't let go any more, because he is gone.
func (m *Machine) waitsForGone(e *Placed) bool { return len(m.liveAfter(e)) < len(e.After) }

// forgetGone commits a view without the departures that no entry depends on any more. The entry of a child whose spec can't
// be written for now is freed of them: until the next one of the name is let in, that can't wait for another bucket.
func (m *Machine) forgetGone() bool {
	v := m.history.View()
	if len(v.Gone) == 0 {
		return false
	}
	var writes []Write
	all, number := true, m.nextNumber()
	for _, child := range m.history.children() {
		switch e := m.history.Entry(child); {
		case !m.mentionsGone(v, e):
		case m.respecified(child) && len(writes) < MaxCommit-1 && !m.cfg.Unsafe.StopsKeepGone:
			writes = append(writes, m.entryWrite(m.asIs(e), number))
		default:
			all = false // its next entry is due, or will be
		}
	}
	if len(writes) == 0 && !all {
		return false
	}
	m.commit("departures settled", writes, func(next *protocol.View) {
		if all {
			next.Gone = nil
		}
	})
	return true
}

func (m *Machine) mentionsGone(v *protocol.View, e *Placed) bool {
	for _, d := range v.Gone {
		if e.View >= d.Since && e.View < d.Until && e.mentions(d.Node) {
			return true
		}
	}
	return false
}

func (e *Placed) mentions(node string) bool {
	return slices.Contains(e.After, node) || slices.ContainsFunc(e.Replicas, func(r protocol.Replica) bool { return r.Node == node })
}

// plan works out what is to become of the dirty children.
func (m *Machine) plan() []planned {
	p := &m.lead.placing
	dirty := p.dirty
	p.dirty = map[string]bool{}
	m.lead.news = true // who waits for one of them may be done, if nothing is to be changed
	plans := placement.Repair(m.planNodes(), m.planChildren())
	queue := m.withState(plans)
	done := make(set, len(queue))
	for _, q := range queue {
		done[q.Child] = true
	}
	for _, child := range sortedKeys(dirty) {
		if e := m.history.Entry(child); e != nil && !m.settled(e) {
			m.unsettle(child) // what has to wait for that is looked at again then
		}
		if q, ok := m.otherwise(child); ok && !done[child] {
			queue = append(queue, q)
		}
	}
	return queue
}

// respecified reports whether another spec is about to stand under a child's name: what stands there
// now may be somebody else's, and is not worth placing. The child is looked at again after that.
func (m *Machine) respecified(child string) bool {
	_, busy := m.lead.desired.changing(child)
	return busy
}

func (m *Machine) withState(plans []placement.Plan) []planned {
	queue := make([]planned, 0, len(plans))
	for _, pl := range plans {
		if m.respecified(pl.Child) {
			continue
		}
		_, rev := m.specs.Get(pl.Child)
		queue = append(queue, planned{Plan: pl, entry: m.history.Entry(pl.Child), spec: rev})
	}
	return queue
}

// otherwise returns what is due for a child whose order is right: a move that was asked for, an entry
// that still mentions what is gone or done, a stop.
func (m *Machine) otherwise(child string) (planned, bool) {
	e := m.history.Entry(child)
	spec, rev := m.specs.Get(child)
	if m.respecified(child) || e == nil && spec == nil {
		return planned{}, false
	}
	if e == nil { // no node can have it
		why := m.nobodyRuns(spec.Kind)
		return planned{Plan: placement.Plan{Child: child, Reason: why}, spec: rev}, why != ""
	}
	q := m.asIs(e)
	q.spec = rev
	if spec == nil {
		q.Replicas, q.Moving, q.Reason = nil, false, "stopped"
		return q, len(e.Replicas) > 0 || len(m.unreleased(e)) == 0 || m.waitsForGone(e) && !m.cfg.Unsafe.StopsKeepGone
	}
	if step, ok := m.changeStep(q, spec); ok {
		return step, true
	}
	if to := m.lead.placing.moves[child]; to != "" {
		if moved, ok := m.moveStep(q, to); ok {
			return moved, true
		}
	}
	if handed, ok := m.failingStep(q); ok {
		return handed, true
	}
	outdated := len(q.Replicas) != len(e.Replicas) || e.Spec != rev || len(m.liveAfter(e)) != len(e.After) ||
		len(m.failed(child, q.Replicas)) != len(e.Failed) || !sameNodes(m.failingIn(child, q.Replicas, e.Exclusive), e.Failing)
	if why := m.lead.placing.takenBack[child]; why != "" && e.Spec != rev {
		q.Reason = protocol.Cut("change taken back: "+why, protocol.MaxText)
	}
	return q, outdated
}

// alive returns the nodes of the living replicas, in promotion order.
func (m *Machine) alive(e *Placed) []string {
	roles := protocol.Derive(m.history.View(), &e.Entry)
	nodes := make([]string, 0, len(roles))
	for _, r := range roles {
		nodes = append(nodes, r.Node)
	}
	return nodes
}

// liveAfter returns whom the entry's active replica still has to wait for. One that was given up has settled, but
// it may never have served, and then nobody before it was asked to let go.
func (m *Machine) liveAfter(e *Placed) []string {
	roles := protocol.Derive(m.history.View(), &e.Entry)
	if m.cfg.Unsafe.DropAfter || len(roles) > 0 && m.carriedOut(roles[0], e) && (!m.gaveUp(roles[0].Node, e) || m.cfg.Unsafe.ForgetGivenUp) {
		return nil
	}
	var nodes []string
	for _, n := range e.After {
		if x := m.history.View().Member(n); x != nil && x.Since <= e.View {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (m *Machine) planNodes() []placement.Node {
	var nodes []placement.Node
	for _, x := range m.history.View().Members {
		nodes = append(nodes, placement.Node{
			Name: x.Node, Zone: x.Labels["zone"], Capacity: x.Capacity, Draining: x.Draining,
		})
	}
	return nodes
}

// planChildren describes all children to the planner.
func (m *Machine) planChildren() []placement.Child {
	children := make([]placement.Child, 0, len(m.specs.specs))
	lacking := map[string][]string{} // by kind
	for _, name := range sortedKeys(m.specs.specs) {
		spec := m.specs.specs[name].spec
		without, known := lacking[spec.Kind]
		if !known {
			without = m.lacking(spec.Kind)
			lacking[spec.Kind] = without
		}
		c := placement.Child{
			Name: name, Want: m.wantedOf(spec), Exclusive: spec.Redundancy.Exclusive(), Avoid: m.avoided(name),
			Failing: m.sparedNodes(name), Without: without,
		}
		if spec.Change != nil && spec.Change.Kind != spec.Kind {
			c.Without = append(slices.Clone(without), m.lacking(spec.Change.Kind)...)
		}
		if e := m.history.Entry(name); e != nil {
			c.Current, c.Moving = m.alive(e), e.Moving
			c.Pinned = e.Pinned != "" && first(c.Current) == e.Pinned || spec.Change != nil
			if c.Want == 1 && m.wantsSecond(spec, e) {
				c.Want = 2
			}
			for _, n := range c.Current {
				if !m.settledAt(n, name, e.View) {
					c.Unready = append(c.Unready, n)
				}
			}
		}
		children = append(children, c)
	}
	return children
}
