package view

import (
	"cmp"
	"slices"

	"github.com/phub-io/phub/protocol"
)

// A child that runs is changed by another spec under its name. What a worker need not know is taken over as it runs. Another kind or
// other args need another worker: the spec then says both what runs and what is to run, its Change, and replicas get that one
// after the other, an active one last, after a changed one has taken its place. Once all have it, the spec is
// what it was to become. If one gives it up, the spec is what it was, and those that had it go back: the old ones
// served all the time.

// updateRequest takes a request to change children.
func (m *Machine) updateRequest(e ControlReceived, r protocol.UpdateRequest) (any, *protocol.Problem) {
	if p := cmp.Or(m.refusesMany(e.Verb, len(r.Children)), m.refusesSpecs()); p != nil {
		return nil, p
	}
	results := make([]protocol.ChildResult, len(r.Children))
	wanted, named := map[string]*protocol.Spec{}, set{}
	for i := range r.Children {
		results[i] = m.updateOne(&r.Children[i], named, wanted)
	}
	m.wait(e, r.Wait, goal{specs: wanted}, results)
	return nil, nil
}

func (m *Machine) updateOne(u *protocol.Update, named set, wanted map[string]*protocol.Spec) protocol.ChildResult {
	if err := cmp.Or(u.Spec.Validate(), unchanging(&u.Spec)); err != nil {
		return badChild(u.Spec.Child, err)
	}
	child := u.Spec.Child
	res := protocol.ChildResult{Child: child}
	if named[child] {
		res.Error = namedTwice(child)
		return res
	}
	named[child] = true
	full := u.Spec.WithDefaults(m.settings().Redundancy)
	old, rev := m.specs.Get(child)
	w, busy := m.lead.desired.changing(child)
	if busy {
		old = w.spec
	}
	if old == nil {
		res.Error = noChild(child)
		return res
	}
	target := old.Changed()
	full.KeepUnknown(&target)
	wanted[child] = &full
	if target.Equal(&full) {
		res.Existed = true
		return res
	}
	next, problem := m.nextSpec(old, &full)
	problem = cmp.Or(problem, m.lacksKind(&full))
	switch {
	case u.Revision != 0 && u.Revision != m.lead.desired.since[child] && (busy || u.Revision != rev):
		res.Error = &protocol.Problem{
			Code: protocol.CodeConflict, Message: "child " + child + " was changed since it was looked at: its spec has revision " + itoa(rev) + ", found " + itoa(u.Revision), Try: "phub child info " + child + ", and again",
		}
	case problem != nil:
		res.Error = problem
	default:
		delete(m.lead.placing.takenBack, child)
		m.lead.desired.push(specWrite{child: child, spec: next})
	}
	return res
}

// unchanging refuses a spec that says how far a change is: that is for coordinators to say.
func unchanging(s *protocol.Spec) error {
	if s.Change != nil {
		return &protocol.FieldError{Field: "change", Found: "one", Allowed: "none: it is phub's own; ask for the kind and args that the child is to have"}
	}
	return nil
}

func namedTwice(child string) *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeBadRequest, Message: "child " + child + " is named twice in one request"}
}

// nextSpec returns what is to stand under a child's name so that it becomes what is wanted.
func (m *Machine) nextSpec(old, full *protocol.Spec) (*protocol.Spec, *protocol.Problem) {
	if old.SameWorker(full) || m.runsNowhere(full.Child) { // also if it is being changed: that is taken back
		return full, nil
	}
	if target := old.Changed(); old.Change != nil && !target.SameWorker(full) {
		return nil, &protocol.Problem{
			Code: protocol.CodeConflict, Message: "child " + full.Child + " is being changed to another kind or other args already",
			Try: "again when that is done (phub child info " + full.Child + "), or take it back: ask for kind and args as they were",
		}
	}
	next := *old
	next.Change = full
	return &next, nil
}

// lacksKind says which node that has a replica of a child does not run the kind that it is to be of.
func (m *Machine) lacksKind(full *protocol.Spec) *protocol.Problem {
	if all := m.nobodyRuns(full.Kind); all != "" {
		return &protocol.Problem{Code: protocol.CodeConflict, Message: all, Try: "start a node that runs it, or add the kind to one (--kinds, or Options.Kinds in Go)"}
	}
	e := m.history.Entry(full.Child)
	if e == nil {
		return nil
	}
	for _, n := range m.alive(e) {
		if !m.runs(m.history.View().Member(n), full.Kind) {
			return &protocol.Problem{
				Code: protocol.CodeConflict, Message: "a replica of child " + full.Child + " is on node " + n + ": " + m.doesNotRun(n, full.Kind),
				Try: "add the kind there (--kinds, or Options.Kinds in Go), or phub node drain " + n + " first",
			}
		}
	}
	return nil
}

// runsNowhere reports whether no replica of a child runs, or is about to: nobody serves it who could go on meanwhile.
func (m *Machine) runsNowhere(child string) bool {
	e := m.history.Entry(child)
	return e == nil || !slices.ContainsFunc(m.alive(e), func(n string) bool { return !m.gaveUp(n, e) })
}

// updateDue completes a result if it is final.
func (m *Machine) updateDue(r *protocol.ChildResult, want *protocol.Spec, late bool) bool {
	if m.specOpen(r.Child) {
		if late {
			unstored(r, protocol.VerbUpdate)
		}
		return late
	}
	spec, rev := m.specs.Get(r.Child)
	switch {
	case spec == nil:
		r.Error = noChild(r.Child)
		return true
	case spec.Equal(want):
		return m.startDue(r, late)
	case !late && (spec.Change != nil || !m.placed(r.Child, rev)):
		return false
	}
	r.Replicas = m.replicaStates(r.Child)
	target, why := spec.Changed(), m.lead.placing.takenBack[r.Child]
	r.Error = &protocol.Problem{Code: protocol.CodeConflict, Message: "child " + r.Child + " was changed to something else meanwhile", Try: "phub child info " + r.Child}
	switch {
	case target.Equal(want):
		r.Error.Code, r.Error.Message = protocol.CodeHubNotServed, "child "+r.Child+" is being changed; not all replicas have that yet"
	case why != "":
		r.Error.Code, r.Error.Message = protocol.CodeHandler, "child "+r.Child+" is as it was: its new worker did not run ("+why+")"
	}
	return true
}

// changeStep returns the next step of a change, when the one before is carried out: a replica that gets it, or the active role
// for one that has it. Without a next step for now there is none, or the change is over.
func (m *Machine) changeStep(q planned, spec *protocol.Spec) (planned, bool) {
	e := q.entry
	if spec.Change == nil || e.Spec != q.spec || !m.settled(e) {
		return q, false
	}
	if m.runsNowhere(q.Child) || !slices.ContainsFunc(q.Replicas, func(n string) bool { return !e.HasChange(n) }) {
		changed := spec.Changed() // all have it, or there is nobody to serve meanwhile
		m.lead.desired.push(specWrite{child: q.Child, spec: &changed})
		return q, false
	}
	active, standbys := q.Replicas[0], q.Replicas[1:]
	ready := slices.IndexFunc(standbys, e.HasChange)
	next := slices.IndexFunc(standbys, func(n string) bool { return !e.HasChange(n) })
	switch {
	case !e.Exclusive && len(standbys) > 0:
		q.change = []string{q.Replicas[slices.IndexFunc(q.Replicas, func(n string) bool { return !e.HasChange(n) })]}
	case e.HasChange(active):
		q.change = slices.Clone(standbys)
	case ready >= 0:
		q.Replicas = slices.Concat([]string{standbys[ready]}, slices.DeleteFunc(slices.Clone(q.Replicas), func(n string) bool { return n == standbys[ready] }))
		q.Moving, q.Reason = false, "changed: handed over to "+standbys[ready]
		return q, true
	case next >= 0:
		q.change = []string{standbys[next]}
	case m.nobodyTakes(q.Child, active) != "":
		q.change = []string{active} // there is no other place for the new worker
	default:
		return q, false // another replica is to come: see wantsSecond
	}
	q.Reason = "changed"
	return q, true
}

// wantsSecond reports whether a child of one replica needs another one for now: the one that is to follow it with another worker.
func (m *Machine) wantsSecond(spec *protocol.Spec, e *Placed) bool {
	if spec.Change == nil {
		return false
	}
	alive := m.alive(e)
	return len(alive) > 0 && !(e.Exclusive && e.HasChange(alive[0]))
}

// changesYet reports whether a child that has settled is to be looked at because it is being changed, or has more replicas than it
// wants: one more may have been needed for a change.
func (m *Machine) changesYet(child string, e *Placed) bool {
	spec, _ := m.specs.Get(child)
	return spec != nil && (spec.Change != nil || len(e.Replicas) > spec.Redundancy.Replicas(len(m.history.View().Members)) && !e.Moving)
}

// takesChange reports whether the replica on a node is to run what the spec is being changed to, by the entry that a plan makes.
// A replica that comes while a change is under way begins with it.
func (m *Machine) takesChange(q planned, changing uint64, node string) bool {
	if changing == 0 || q.entry.Changing != changing {
		return false
	}
	return q.entry.HasChange(node) || slices.Contains(q.change, node) || !slices.Contains(m.alive(q.entry), node)
}

// unchanged returns since when the workers of the spec that a plan places are the same, if that is longer than its revision is
// there, and since when it is being changed to the same; 0 if it is not.
func (m *Machine) unchanged(q planned, spec *protocol.Spec) (since, changing uint64) {
	s := m.specs.specs[q.Child]
	since = m.lead.desired.unchanged(q.entry, q.spec)
	if spec != nil && spec.Change != nil {
		changing = q.spec
		if q.entry.Changing != 0 && (since != 0 || q.entry.Spec == q.spec || q.entry.Spec >= s.changing) {
			changing = q.entry.Changing
		}
	}
	switch {
	case since != 0 || q.entry.Spec == q.spec || spec == nil:
	case q.entry.Spec >= s.same:
		since = q.entry.SpecSince()
	case s.completes != 0 && q.entry.Spec >= s.completes:
		since = q.entry.Changing
	}
	if changing != 0 && cmp.Or(since, q.spec) == changing {
		since = q.spec - 1 // another one than that of the workers to come: what ran before is not known
	}
	return since, changing
}

// takeBackChange ends a change that a replica gave up, and reports whether there is one: the spec is what it was.
func (m *Machine) takeBackChange(e *Placed, node, why string) bool {
	if !e.HasChange(node) {
		return false
	}
	spec, rev := m.specs.Get(e.Child)
	if _, busy := m.lead.desired.changing(e.Child); spec == nil || spec.Change == nil || rev != e.Spec || busy {
		return true // the entry is about to be another
	}
	back := *spec
	back.Change = nil
	m.lead.placing.takenBack[e.Child] = node + ": " + why
	m.note(Warn, "the change of child %s is taken back: its new worker did not run on %s: %s", e.Child, node, why)
	m.event(protocol.ReplicaFailed, protocol.Event{Child: e.Child, Node: node, Reason: "the change is taken back: " + why})
	m.lead.desired.push(specWrite{child: e.Child, spec: &back})
	return true
}
