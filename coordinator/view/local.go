package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// local is what this node's running side was told.
type local struct {
	told     map[string]protocol.Assignment // what it holds
	awaiting map[string]uint64              // children whose spec has not arrived, with their entry's view
	view     uint64
	members  []protocol.Incarnation
}

func (l *local) reset() {
	*l = local{told: map[string]protocol.Assignment{}, awaiting: map[string]uint64{}}
}

// tellMembers tells the running side who the members are, if it does not know: nobody, while this node is none.
func (m *Machine) tellMembers() {
	var members []protocol.Incarnation
	if m.Member() {
		for _, x := range m.history.View().Members {
			members = append(members, x.Incarnation)
		}
	}
	if !slices.Equal(members, m.local.members) {
		m.local.members = members
		m.do(Members{Self: m.self, Members: members})
	}
}

// localCommit works out what a commit means for this node's replicas.
func (m *Machine) localCommit(c Commit) {
	was, is := c.Before.Has(m.self), c.After.Has(m.self)
	switch {
	case was && !is:
		m.reincarnate("view " + itoa(c.After.Number) + " is without it (" + c.After.Reason + ")")
		return
	case !is:
		return
	case was && c.Before.Member(m.self.Node).Since != c.After.Member(m.self.Node).Since:
		m.reincarnate("it departed in a view that it missed, and was admitted again")
		return
	case !was:
		m.local.reset()
		m.beatAnew()
		m.do(Admitted{View: c.After.Number})
		m.assign(m.history.children(), true)
		return
	}
	children := make([]string, 0, len(c.Changed))
	for _, ch := range c.Changed {
		children = append(children, ch.Child)
	}
	if lost := c.lost(); len(lost) > 0 {
		for e := range m.history.concerned(lost) {
			if e.mentions(m.self.Node) {
				children = append(children, e.Child)
			}
		}
		slices.Sort(children)
		children = slices.Compact(children)
	}
	m.assign(children, false)
}

// localSpec looks again at a child whose spec had not arrived.
func (m *Machine) localSpec(c SpecChange) {
	if _, ok := m.local.awaiting[c.Child]; ok && m.Member() {
		m.assign([]string{c.Child}, false)
	}
}

// assign tells the running side what changed for it among children.
func (m *Machine) assign(children []string, reset bool) {
	m.tellMembers()
	var changes []protocol.Assignment
	for _, child := range children {
		a, ok := m.assignment(child)
		before, had := m.local.told[child]
		if !ok || !had && !a.Assigned || had && sameAssignment(before, a) {
			continue
		}
		if a.Assigned {
			m.local.told[child] = a
		} else {
			delete(m.local.told, child)
		}
		changes = append(changes, a)
	}
	view := m.viewNumber()
	missing := m.missing()
	for child, v := range m.local.awaiting {
		if !slices.Contains(missing, child) {
			view = min(view, v-1) // what this node doesn't know yet it has not settled
		}
	}
	if len(changes) > 0 || view != m.local.view || reset {
		m.local.view = view
		m.do(Assign{View: view, Changes: changes, Reset: reset})
	}
}

// maxMissing is how many children may wait for a spec that does not come before nothing else counts as settled either.
const maxMissing = 50

// missing returns the children, sorted, whose entry names a spec that is not there although the bucket is known up to it. They
// have not settled, and it may take another entry to end that: somebody else may have written this one. Nothing else waits
// for them.
func (m *Machine) missing() []string {
	var children []string
	for _, child := range sortedKeys(m.local.awaiting) {
		if e := m.history.Entry(child); e != nil && e.Spec <= m.specs.Last() && len(children) < maxMissing {
			children = append(children, child)
		}
	}
	return children
}

// missingDue looks again at what is settled, once specs that were waited for are known not to come.
func (m *Machine) missingDue() {
	if len(m.local.awaiting) > 0 && m.Member() {
		m.assign(nil, false)
	}
}

// ownReport is what the running side said, and what it does not know of.
func (m *Machine) ownReport() protocol.Report { return m.report.AlsoWaiting(m.missing()) }

// assignment derives what this node is to the child. It returns false while the spec that the entry
// means has not arrived.
func (m *Machine) assignment(child string) (protocol.Assignment, bool) {
	delete(m.local.awaiting, child)
	e := m.history.Entry(child)
	if e == nil {
		return protocol.Assignment{Child: child, View: m.viewNumber()}, true
	}
	a := protocol.Assignment{Child: child, View: e.View}
	for _, r := range protocol.Derive(m.history.View(), &e.Entry) {
		if r.Node == m.self.Node {
			a.Assigned, a.Mode, a.Epoch, a.After, a.Group = true, r.Mode, r.Epoch, r.After, r.Group
		}
	}
	if !a.Assigned {
		return a, true
	}
	spec, revision := m.specs.Get(child)
	if had := m.local.told[child]; revision != e.Spec && had.Assigned && had.SpecRev == e.WorkerSince(m.self.Node) {
		spec, revision = had.Spec, e.Spec // somebody else may have written another one over it
	}
	if revision != e.Spec || spec == nil {
		m.local.awaiting[child] = e.View
		return a, false
	}
	if e.HasChange(m.self.Node) {
		spec = new(spec.WithWorker(new(spec.Changed())))
	}
	a.Spec, a.SpecRev, a.Reason = spec, e.WorkerSince(m.self.Node), reasonIn(m.history.View(), e, a.Epoch)
	return a, true
}

// reasonIn says why a replica is what it is in a view: the entry's reason, or the departure that changed it.
func reasonIn(v *protocol.View, e *Placed, epoch uint64) string {
	if epoch > e.View {
		for _, d := range v.Gone {
			if d.Until == epoch {
				return d.Reason
			}
		}
	}
	return e.Reason
}

// sameAssignment reports whether a running side that knows x learns nothing from y.
func sameAssignment(x, y protocol.Assignment) bool {
	return x.Assigned == y.Assigned && x.View == y.View && x.SpecRev == y.SpecRev && sameSpec(x.Spec, y.Spec) && x.Mode == y.Mode &&
		x.Epoch == y.Epoch && x.Group == y.Group && slices.Equal(x.After, y.After)
}

func sameMembers(a, b *protocol.View) bool {
	return a != nil && slices.EqualFunc(a.Members, b.Members, func(x, y protocol.Member) bool {
		return x.Incarnation == y.Incarnation && x.Since == y.Since
	})
}

// children returns the names of all that have an entry, sorted.
func (h *History) children() []string { return sortedKeys(h.entries) }
