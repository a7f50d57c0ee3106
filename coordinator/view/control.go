package view

import (
	"cmp"
	"strconv"

	"github.com/phub-io/phub/protocol"
)

// control takes a control request. Whatever is in it came from anyone.
func (m *Machine) control(e ControlReceived) {
	if m.lead == nil {
		return
	}
	if m.isOther(e.Hub) {
		m.do(IgnoreControl{ID: e.ID})
		return
	}
	value, problem := m.controlled(e)
	if value != nil || problem != nil {
		m.do(AnswerControl{IDs: []uint64{e.ID}, Value: value, Problem: problem})
	}
}

// controlled carries a request out. It returns nil twice if the answer comes later.
func (m *Machine) controlled(e ControlReceived) (any, *protocol.Problem) {
	if m.handsOn(e.Verb) {
		return nil, m.handedOn()
	}
	if !m.acts() {
		return m.cannotAct(e.Verb)
	}
	switch e.Verb {
	case protocol.VerbStart:
		return decoded(e, m.startRequest)
	case protocol.VerbUpdate:
		return decoded(e, m.updateRequest)
	case protocol.VerbStop:
		return decoded(e, m.stopRequest)
	case protocol.VerbMove:
		return decoded(e, m.moveControl)
	case protocol.VerbDrain:
		return decoded(e, m.drainControl)
	case protocol.VerbSet:
		return decoded(e, m.setControl)
	case protocol.VerbList:
		return decoded(e, m.list)
	case protocol.VerbInfo:
		return decoded(e, m.info)
	case protocol.VerbNodes:
		return decoded(e, m.nodesInfo)
	case protocol.VerbStatus:
		return m.status(), nil
	}
	return nil, &protocol.Problem{Code: protocol.CodeNotFound, Message: "verb " + protocol.Quote(e.Verb) + " is not known", Try: "start, update, stop, move, drain, set, ls, info, nodes or status"}
}

// badRequest says what is wrong with a request, of whatever length that is.
func badRequest(verb string, err error) *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeBadRequest, Message: "request " + verb + ": " + protocol.Cut(err.Error(), protocol.MaxText)}
}

func decoded[R any](e ControlReceived, handle func(e ControlReceived, r R) (any, *protocol.Problem)) (any, *protocol.Problem) {
	var r R
	if err := protocol.DecodeRequest(e.Data, &r); err != nil {
		p := badRequest(e.Verb, err)
		p.Try = "JSON as the wire contract describes it"
		return nil, p
	}
	return handle(e, r)
}

// refusesMany says why a request that names n children is not carried out, or nil.
func (m *Machine) refusesMany(verb string, n int) *protocol.Problem {
	if n >= 1 && n <= protocol.MaxStart {
		return m.lead.waits.full(verb, n)
	}
	return &protocol.Problem{
		Code: protocol.CodeBadRequest, Message: "children: found " + strconv.Itoa(n) + ", allowed are 1 to " + strconv.Itoa(protocol.MaxStart) + " in one request", Try: "several requests to " + verb,
	}
}

func (m *Machine) startRequest(e ControlReceived, r protocol.StartRequest) (any, *protocol.Problem) {
	if p := cmp.Or(m.refusesMany(e.Verb, len(r.Children)), m.refusesSpecs()); p != nil {
		return nil, p
	}
	results := make([]protocol.ChildResult, len(r.Children))
	named := set{}
	for i := range r.Children {
		results[i] = m.startOne(&r.Children[i], named)
	}
	m.wait(e, r.Wait, goal{}, results)
	return nil, nil
}

func (m *Machine) startOne(s *protocol.Spec, named set) protocol.ChildResult {
	if err := cmp.Or(s.Validate(), unchanging(s)); err != nil {
		return badChild(s.Child, err)
	}
	res := protocol.ChildResult{Child: s.Child}
	if named[s.Child] {
		res.Error = namedTwice(s.Child)
		return res
	}
	named[s.Child] = true
	full := s.WithDefaults(m.settings().Redundancy)
	old, _ := m.specs.Get(s.Child)
	if w, busy := m.lead.desired.changing(s.Child); busy {
		old = w.spec
	}
	if old == nil {
		m.lead.desired.push(specWrite{child: s.Child, spec: &full})
		return res
	}
	old = new(old.Changed())
	if res.Existed = old.Equal(&full); !res.Existed {
		res.Error = &protocol.Problem{
			Code: protocol.CodeConflict, Message: "child " + s.Child + " exists with another spec: " + old.Difference(&full), Try: "phub child set " + s.Child + ", to change it; or stop it first",
		}
	}
	return res
}

// badChild is the result of a child that can't be: its name may be of any length.
func badChild(child string, err error) protocol.ChildResult {
	return protocol.ChildResult{
		Child: protocol.Cut(child, protocol.MaxChildName), Error: &protocol.Problem{Code: protocol.CodeBadRequest, Message: err.Error()},
	}
}

func (m *Machine) stopRequest(e ControlReceived, r protocol.StopRequest) (any, *protocol.Problem) {
	if p := cmp.Or(m.refusesMany(e.Verb, len(r.Children)), m.refusesSpecs()); p != nil {
		return nil, p
	}
	results := make([]protocol.ChildResult, len(r.Children))
	for i, child := range r.Children {
		if err := protocol.ValidateChild(child); err != nil {
			results[i] = badChild(child, err)
			continue
		}
		results[i].Child = child
		old, _ := m.specs.Get(child)
		if w, busy := m.lead.desired.changing(child); busy {
			old = w.spec
		}
		if old == nil && m.history.Entry(child) == nil {
			results[i].Error = noChild(child)
			continue
		}
		if old != nil {
			m.lead.desired.push(specWrite{child: child})
		}
	}
	m.wait(e, r.Wait, goal{}, results)
	return nil, nil
}

func (m *Machine) moveControl(e ControlReceived, r protocol.MoveRequest) (any, *protocol.Problem) {
	if p := m.lead.waits.full(e.Verb, 1); p != nil {
		return nil, p
	}
	if err := cmp.Or(protocol.ValidateChild(r.Child), protocol.ValidateNode(r.Node)); err != nil {
		return nil, badRequest(e.Verb, err)
	}
	if p := m.moveRequest(r); p != nil {
		return nil, p
	}
	m.wait(e, r.Wait, goal{node: r.Node}, []protocol.ChildResult{{Child: r.Child}})
	return nil, nil
}

// resultDue completes a result if it is final.
func (m *Machine) resultDue(c *wait, r *protocol.ChildResult, late bool) bool {
	if m.cfg.Unsafe.AckEarly {
		return true
	}
	switch c.request.verb {
	case protocol.VerbStart:
		return m.startDue(r, late)
	case protocol.VerbUpdate:
		return m.updateDue(r, c.specs[r.Child], late)
	case protocol.VerbStop:
		return m.stopDue(r, late)
	}
	if m.moved(r.Child, c.node) {
		r.Replicas = m.replicaStates(r.Child)
		return true
	}
	if late || m.lead.placing.moves[r.Child] == "" && !m.settlesStill(r.Child) {
		r.Replicas = m.replicaStates(r.Child)
		r.Error = &protocol.Problem{Code: protocol.CodeHubNotServed, Message: "child " + r.Child + " is not active on " + c.node + " yet", Try: "phub child info " + r.Child}
		return true
	}
	return false
}

// settlesStill reports whether the child's entry is being committed or carried out.
func (m *Machine) settlesStill(child string) bool {
	return m.lead.placing.isUnsettled(child) || m.op != nil || m.lead.placing.dirty[child] || len(m.lead.placing.queue) > 0
}

// specOpen reports whether what is known of a child's spec is not what is to stand there: it is being written, or was, and
// is not read yet.
func (m *Machine) specOpen(child string) bool {
	_, busy := m.lead.desired.changing(child)
	return busy
}

// unstored answers what is late although the bucket does not hold it yet: it may be, or may never be.
func unstored(r *protocol.ChildResult, what string) {
	r.Error = &protocol.Problem{
		Code: protocol.CodeHubNotServed, Message: "whether the " + what + " of child " + r.Child + " takes effect is unknown: it is not stored yet", Try: "again",
	}
}

func (m *Machine) startDue(r *protocol.ChildResult, late bool) bool {
	if m.specOpen(r.Child) {
		if late {
			unstored(r, protocol.VerbStart)
		}
		return late
	}
	spec, rev := m.specs.Get(r.Child)
	if spec != nil && m.placed(r.Child, rev) {
		r.Replicas = m.replicaStates(r.Child)
		r.Error = m.startProblem(r, spec)
		return true
	}
	if spec != nil && !late { // else it was stopped meanwhile
		return false
	}
	r.Replicas = m.replicaStates(r.Child)
	r.Error = &protocol.Problem{Code: protocol.CodeHubNotServed, Message: "child " + r.Child + " does not run with all its replicas yet" + restartsText(r.Replicas), Try: "phub child info " + r.Child}
	return true
}

// placed reports whether a child's spec of that revision is placed, and nothing else is to be done for now.
func (m *Machine) placed(child string, rev uint64) bool {
	e := m.history.Entry(child)
	return e != nil && e.Spec == rev && !m.lead.placing.isUnsettled(child) && !m.planned(child)
}

// planned reports whether a change of the child is planned or under way, or may become so: after a change of the members
// all children are to be looked at.
func (m *Machine) planned(child string) bool {
	p := &m.lead.placing
	return p.all || p.dirty[child] || p.queued[child] || m.op != nil && m.op.keys[child]
}

// startProblem says what is wrong with a child whose start is over: all the replicas that it wants are to run.
func (m *Machine) startProblem(r *protocol.ChildResult, spec *protocol.Spec) *protocol.Problem {
	members := len(m.history.View().Members)
	wanted := m.wantedOf(spec)
	running, why := 0, ""
	for _, s := range r.Replicas {
		if s.State == protocol.Running {
			running++
		} else if why == "" {
			why = s.Node + ": " + s.Error
		}
	}
	p := &protocol.Problem{Code: protocol.CodeHubNotServed, Try: "phub child info " + r.Child}
	switch {
	case running >= wanted:
		return nil
	case why != "":
	case m.nobodyRuns(spec.Kind) != "":
		why = m.nobodyRuns(spec.Kind)
		p.Try = "start a node that runs it, or add the kind to one (--kinds, or Options.Kinds in Go): the child follows by itself"
	case running == 0:
		why = "no node can hold it"
	case members < wanted:
		why = "the hub has " + nodesText(members)
		p.Try = "start more nodes: the missing replicas follow by themselves; or want fewer replicas"
	default:
		why = "none of the other nodes can hold one: they drain, don't run its kind, or gave it up"
	}
	if running == 0 {
		p.Code, p.Message = protocol.CodeHandler, "child "+r.Child+" does not run on any node ("+why+")"
		return p
	}
	p.Message = strconv.Itoa(running) + " of " + strconv.Itoa(wanted) + " replicas of child " + r.Child + " run (" + why + ")"
	return p
}

// restartsText says of the first replica that was restarted why, or nothing.
func restartsText(replicas []protocol.ReplicaState) string {
	for _, s := range replicas {
		if s.State == protocol.Starting && s.Restarts > 0 {
			return " (" + s.Node + ": restarted " + strconv.Itoa(s.Restarts) + " times: " + s.LastError + ")"
		}
	}
	return ""
}

func nodesText(n int) string {
	if n == 1 {
		return "1 node"
	}
	return strconv.Itoa(n) + " nodes"
}

func (m *Machine) stopDue(r *protocol.ChildResult, late bool) bool {
	if m.specOpen(r.Child) {
		if late {
			unstored(r, protocol.VerbStop)
		}
		return late
	}
	spec, rev := m.specs.Get(r.Child)
	e := m.history.Entry(r.Child)
	switch {
	case e == nil:
		return true
	case spec != nil: // started anew since
		return e.Spec == rev || late
	case e.Spec == 0 && len(m.unreleased(e)) == 0: // not before the entry says so: a successor restores what it places
		return true
	case late:
		r.Replicas = m.replicaStates(r.Child)
		r.Error = &protocol.Problem{Code: protocol.CodeHubNotServed, Message: "child " + r.Child + " is being stopped; some replicas have not ended yet", Try: "phub child info " + r.Child}
		return true
	}
	return false
}
