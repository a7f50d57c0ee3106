package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// commitPlans commits the entries that plans ask for. A plan that was made for another state is
// dropped, and its child looked at again.
func (m *Machine) commitPlans(plans []planned) {
	number := m.nextNumber()
	var writes []Write
	for _, q := range plans {
		_, rev := m.specs.Get(q.Child)
		if m.history.Entry(q.Child) != q.entry || rev != q.spec {
			m.lead.placing.touch(q.Child)
			continue
		}
		writes = append(writes, m.entryWrite(q, number))
	}
	if len(writes) > 0 {
		m.commit("placement", writes, nil)
	}
}

func (m *Machine) entryWrite(q planned, number uint64) Write {
	w := Write{Key: q.Child, Last: m.history.Revision(q.Child)}
	spec, _ := m.specs.Get(q.Child)
	if spec == nil && q.entry != nil && len(q.entry.Replicas) == 0 && len(m.unreleased(q.entry)) == 0 {
		w.Delete = true
		return w
	}
	w.Value = encode(m.entry(q, spec, number))
	return w
}

// entry makes the entry of a child from its plan. If another node's replica becomes active, the ones
// that may be so now are named in After: they must let go first, or cease to be members.
func (m *Machine) entry(q planned, spec *protocol.Spec, number uint64) protocol.Entry {
	e := protocol.Entry{
		V: 1, View: number, Epoch: number, Spec: q.spec, Moving: q.Moving, Reason: q.Reason,
		Exclusive: spec == nil || spec.Redundancy.Exclusive(), Replicas: []protocol.Replica{},
	}
	if q.entry != nil {
		e.Unchanged, e.Changing = m.unchanged(q, spec)
		if q.spec == q.entry.Spec {
			e.Exclusive = q.entry.Exclusive // what stands in the bucket may be somebody else's
		}
	}
	since := m.sinceWhen(q.entry)
	for i, n := range q.Replicas {
		mode := protocol.Passive
		if i == 0 || !e.Exclusive {
			mode = protocol.Active
		}
		at, there := since[n]
		if !there {
			at = m.wall()
		}
		e.Replicas = append(e.Replicas, protocol.Replica{Node: n, Mode: mode, Since: at, Changed: m.takesChange(q, e.Changing, n)})
	}
	e.Failed = m.failed(q.Child, q.Replicas)
	e.Failing = m.failingIn(q.Child, q.Replicas, e.Exclusive)
	if q.entry == nil {
		e.Group = number
		if m.history.Revision(q.Child) != 0 && e.Exclusive && !m.cfg.Unsafe.UnknownBefore {
			e.After = m.membersBut(first(q.Replicas)) // there was an entry that nobody knows any more
		}
		return e
	}
	m.follow(&e, q)
	return e
}

// sinceWhen returns since when the living replicas of an entry are on their nodes.
func (m *Machine) sinceWhen(e *Placed) map[string]string {
	if e == nil {
		return nil
	}
	since := make(map[string]string, len(e.Replicas))
	alive := m.alive(e)
	for _, r := range e.Replicas {
		if slices.Contains(alive, r.Node) {
			since[r.Node] = protocol.Cut(r.Since, len(protocol.TimeLayout))
		}
	}
	return since
}

// failed returns where a child's replica was given up, as long as it is not tried there again.
func (m *Machine) failed(child string, replicas []string) []protocol.Failure {
	var failed []protocol.Failure
	for _, node := range m.avoided(child) {
		if !slices.Contains(replicas, node) {
			failed = append(failed, m.lead.placing.failures[child][node].Failure)
		}
	}
	cutTexts(failed)
	return failed
}

// cutTexts shortens the texts of failures to what an entry has room for.
func cutTexts(list []protocol.Failure) {
	for i := range list {
		list[i].Error = protocol.Cut(list[i].Error, max(failedBytes/len(list), 64))
	}
}

func sameNodes(a, b []protocol.Failure) bool {
	return slices.EqualFunc(a, b, func(x, y protocol.Failure) bool { return x.Node == y.Node })
}

// failedBytes bounds the texts of all failures of one kind in an entry, in bytes: it must be stored, whatever the workers of
// many nodes have to say.
const failedBytes = 64 << 10

// follow sets what an entry takes over from the one before it.
func (m *Machine) follow(e *protocol.Entry, q planned) {
	roles := protocol.Derive(m.history.View(), &q.entry.Entry)
	e.Group = protocol.GroupOf(m.history.View(), &q.entry.Entry)
	if e.Pinned = q.entry.Pinned; q.pin != "" {
		e.Pinned = q.pin
	}
	if e.Pinned != first(q.Replicas) {
		e.Pinned = ""
	}
	active := protocol.ActiveOf(roles)
	switch {
	case active == nil:
	case active.Node == first(q.Replicas) && q.entry.WorkerSince(active.Node) == e.WorkerSince(active.Node) && q.entry.Exclusive == e.Exclusive:
		e.Epoch = active.Epoch
	case !e.Exclusive && !q.entry.Exclusive && q.entry.SpecSince() == e.SpecSince() && len(e.Replicas) > 0:
		e.Epoch = q.entry.Epoch
	}
	if !e.Exclusive {
		return
	}
	after := m.liveAfter(q.entry)
	for _, r := range roles {
		if r.Mode == protocol.Active && !m.gaveUp(r.Node, q.entry) || len(e.Replicas) == 0 {
			after = append(after, r.Node)
		}
	}
	if !q.entry.Exclusive && !m.cfg.Unsafe.SharedBefore {
		after = append(after, m.unsettledOn(q.entry)...)
	}
	slices.Sort(after)
	after = slices.Compact(after)
	e.After = slices.DeleteFunc(after, func(n string) bool { return n == first(q.Replicas) })
}

// unsettledOn returns the nodes that may still serve a child by an earlier entry than its last one: nobody waited for them as long as
// its replicas were active together.
func (m *Machine) unsettledOn(e *Placed) []string {
	var nodes []string
	for _, x := range m.history.View().Members {
		if x.Since <= e.View && !m.settledAt(x.Node, e.Child, e.View) {
			nodes = append(nodes, x.Node)
		}
	}
	return nodes
}

// gaveUp reports whether the node itself said that it runs the child no more, under this entry.
func (m *Machine) gaveUp(node string, e *Placed) bool {
	f := m.lead.placing.failures[e.Child][node]
	return f != nil && f.View == e.View
}

func (m *Machine) membersBut(node string) []string {
	var nodes []string
	for _, x := range m.history.View().Members {
		if x.Node != node {
			nodes = append(nodes, x.Node)
		}
	}
	return nodes
}

func first(nodes []string) string {
	if len(nodes) == 0 {
		return ""
	}
	return nodes[0]
}
