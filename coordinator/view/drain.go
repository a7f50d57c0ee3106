package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
)

// A node drains when its heartbeats and its record say so, because it is about to leave, or when somebody asked the
// coordinator to have it drain. The view then says it, and with it everybody knows: the node gets nothing new, and what it has
// is handed over, child by child, by the release rule, each as soon as its next step is possible. What a node says of itself
// ends with it; what was asked for stands in the view until somebody cancels it, or the node's incarnation ends.

const (
	// drainEvery is the pace at which the next steps of drains are looked for.
	drainEvery = 50 * time.Millisecond
	// drainStuck is the pace when there is nothing to do but to wait for something else.
	drainStuck = 500 * time.Millisecond
	// drainStep bounds the children that one look plans, which are committed MaxCommit at a time.
	drainStep = 5000
)

// drainOwn has this node drain: it is going to leave.
func (m *Machine) drainOwn() {
	m.draining = true
	m.beats.soon, m.key.urgent = true, true
}

// ownStatus is what this node's heartbeats and record say of it.
func (m *Machine) ownStatus() protocol.Status {
	if m.draining {
		return protocol.Draining
	}
	return protocol.Up
}

// drainChanges returns the members of whom the view is to say something else, and what.
func (m *Machine) drainChanges(v *protocol.View) map[string]bool {
	changes := map[string]bool{}
	for _, x := range v.Members {
		if want := m.wantsDrain(x); want != x.Draining {
			changes[x.Node] = want
		}
	}
	return changes
}

// wantsDrain reports whether a member is to drain.
func (m *Machine) wantsDrain(x protocol.Member) bool {
	if m.saysDraining(x) {
		return true
	}
	if asked, ok := m.lead.drains[x.Incarnation]; ok {
		return asked
	}
	return x.Draining
}

// saysDraining reports whether a member says of itself that it drains.
func (m *Machine) saysDraining(x protocol.Member) bool {
	if x.Incarnation == m.self {
		return m.draining
	}
	p := m.lead.peers[x.Node]
	return p != nil && p.in == x.Incarnation && p.member.Draining
}

func setDraining(v *protocol.View, changes map[string]bool) {
	for i := range v.Members {
		if d, ok := changes[v.Members[i].Node]; ok {
			v.Members[i].Draining = d
		}
	}
}

// drainsCommitted forgets what was asked for and is in the view now, or of whom is no member any more.
func (m *Machine) drainsCommitted(c Commit) {
	for in, asked := range m.lead.drains {
		if x := c.After.Member(in.Node); x == nil || x.Incarnation != in || x.Draining == asked {
			delete(m.lead.drains, in)
		}
	}
	if slices.ContainsFunc(c.After.Members, func(x protocol.Member) bool {
		return c.Before == nil || c.Before.Member(x.Node) == nil || c.Before.Member(x.Node).Draining != x.Draining
	}) {
		p := &m.lead.placing
		p.all, p.balanced, p.drainAt = true, false, 0 // a node that drains no more may take what is missing elsewhere
		p.enqueue(nil)
	}
}

// decideDrain plans the next steps of all drains, and reports whether there are any. It waits for nothing but the children
// concerned: each has its next step once its replicas have settled.
func (m *Machine) decideDrain() bool {
	p := &m.lead.placing
	if m.now.Mono < p.drainAt || !slices.ContainsFunc(m.history.View().Members, func(x protocol.Member) bool { return x.Draining }) {
		return false
	}
	plans := placement.Drain(m.planNodes(), m.planChildren(), drainStep)
	if m.draining {
		m.stuck = m.stuckOn(m.self.Node)
	}
	if len(plans) == 0 {
		p.drainAt = m.now.Mono + drainStuck
		return false
	}
	p.drainAt = m.now.Mono + drainEvery
	p.enqueue(m.withState(plans))
	return true
}

// drainControl takes a request to have a node drain, or to end that, and says how far it is. It is answered at once, so
// whoever asked asks again until nothing is left.
func (m *Machine) drainControl(e ControlReceived, r protocol.DrainRequest) (any, *protocol.Problem) {
	if err := protocol.ValidateNode(r.Node); err != nil {
		return nil, badRequest(e.Verb, err)
	}
	x := m.history.View().Member(r.Node)
	switch {
	case x == nil:
		return nil, &protocol.Problem{Code: protocol.CodeNotFound, Message: "node " + r.Node + " is no member of hub " + m.cfg.Hub, Try: "phub node ls"}
	case r.Cancel && m.saysDraining(*x):
		return nil, &protocol.Problem{Code: protocol.CodeConflict, Message: "node " + r.Node + " is leaving: that can't be cancelled from here", Try: "start it again when it has left"}
	case x.Draining == r.Cancel:
		m.lead.drains[x.Incarnation] = !r.Cancel
	default:
		delete(m.lead.drains, x.Incarnation)
	}
	return m.drainState(x), nil
}

// maxStuck is how many children a drain's answer names.
const maxStuck = 20

// drainState says what a node still has.
func (m *Machine) drainState(x *protocol.Member) protocol.DrainResponse {
	res := protocol.DrainResponse{Node: x.Node, View: m.viewNumber(), Draining: x.Draining, Stuck: []protocol.StuckChild{}}
	res.Coordinates = x.Draining && x.Incarnation == m.self && m.mayResign()
	for _, child := range m.history.children() {
		e := m.history.Entry(child)
		roles := protocol.Derive(m.history.View(), &e.Entry)
		at := slices.IndexFunc(roles, func(r protocol.Role) bool { return r.Node == x.Node })
		if at < 0 && !slices.Contains(m.liveAfter(e), x.Node) {
			continue
		}
		res.Children++
		if at < 0 || roles[at].Mode == protocol.Active {
			res.Active++
		}
		if why := m.stuckAt(child, e, x.Node); why != "" {
			res.StuckInAll++
			if len(res.Stuck) < maxStuck {
				res.Stuck = append(res.Stuck, protocol.StuckChild{Child: child, Reason: why})
			}
		}
	}
	return res
}

// stuckOn returns how many children of a node nobody can take.
func (m *Machine) stuckOn(node string) int {
	n := 0
	for child, e := range m.history.entries {
		if e.mentions(node) && m.nobodyTakes(child, node) != "" {
			n++
		}
	}
	return n
}

// stuckAt says why a child can't get off a node for now; "" if it can.
func (m *Machine) stuckAt(child string, e *Placed, node string) string {
	if why := m.nobodyTakes(child, node); why != "" {
		return why
	}
	if slices.Contains(m.liveAfter(e), node) && !m.settledAt(node, child, e.View) {
		return "waits until it has let go of it: a handler, or active work, still runs there" + m.silence(node)
	}
	for _, n := range m.alive(e) {
		if n != node && !m.settledAt(n, child, e.View) {
			return "waits until its replica on " + n + " is ready" + m.silence(n)
		}
	}
	return ""
}

// silence says for how long nothing has been heard of a node, if that is too long for one that runs well; or nothing.
func (m *Machine) silence(node string) string {
	p := m.lead.peers[node]
	if p == nil || m.now.Mono-p.heard <= m.settings().Heartbeat.Std()*3/2 {
		return ""
	}
	return " (" + node + " was silent for " + (m.now.Mono - p.heard).Round(100*time.Millisecond).String() + ")"
}

// nobodyTakes says why no other node can take a child at this moment; "" if one can.
func (m *Machine) nobodyTakes(child, node string) string {
	avoided := m.avoided(child)
	var failed *failure
	lacks := 0
	for _, x := range m.history.View().Members {
		switch {
		case x.Draining || x.Node == node:
		case !m.canRun(child, x.Node):
			lacks++
		case slices.Contains(avoided, x.Node):
			failed = m.lead.placing.failures[child][x.Node]
		default:
			return ""
		}
	}
	if failed != nil {
		return "it was given up on " + failed.Node + ": " + failed.Error
	}
	if lacks > 0 {
		return "no other node that is open runs its kind"
	}
	return "no other node is open"
}
