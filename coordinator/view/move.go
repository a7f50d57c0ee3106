package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// moveStep returns the next step of a move that was asked for: a replica on the target, then the
// active role for it. Without a next step the move is over.
func (m *Machine) moveStep(q planned, to string) (planned, bool) {
	q.Reason = "moved to " + to + " on request"
	at := slices.Index(q.Replicas, to)
	switch {
	case m.history.View().Member(to) == nil || !q.entry.Exclusive || slices.Contains(m.avoided(q.Child), to), // or it was given up there
		!m.canRun(q.Child, to):
		delete(m.lead.placing.moves, q.Child)
		return q, false
	case at == 0:
		delete(m.lead.placing.moves, q.Child)
		q.pin = to
		return q, q.entry.Pinned != to
	case at < 0:
		q.Replicas, q.Moving = append(slices.Clone(q.Replicas), to), true
		return q, true
	case !m.settledAt(to, q.Child, q.entry.View):
		return q, false // not ready to follow
	}
	q.Replicas = slices.Concat([]string{to}, slices.DeleteFunc(slices.Clone(q.Replicas), func(n string) bool { return n == to }))
	q.Moving, q.pin = false, to
	return q, true
}

// moveRequest takes a request to move a child's active replica.
func (m *Machine) moveRequest(r protocol.MoveRequest) *protocol.Problem {
	spec, _ := m.specs.Get(r.Child)
	switch {
	case spec == nil:
		return noChild(r.Child)
	case m.history.View().Member(r.Node) == nil:
		return &protocol.Problem{Code: protocol.CodeNotFound, Message: "node " + r.Node + " is no member of hub " + m.cfg.Hub, Try: "phub node ls"}
	case !spec.Redundancy.Exclusive():
		return &protocol.Problem{Code: protocol.CodeConflict, Message: "child " + r.Child + " is active on all of its nodes: there is nothing to move"}
	case !m.canRun(r.Child, r.Node):
		return &protocol.Problem{Code: protocol.CodeConflict, Message: "child " + r.Child + ": " + m.doesNotRun(r.Node, spec.Kind), Try: "phub node ls"}
	case slices.Contains(m.avoided(r.Child), r.Node):
		return &protocol.Problem{Code: protocol.CodeConflict, Message: "child " + r.Child + " was given up on node " + r.Node + " lately", Try: "phub child info " + r.Child}
	}
	m.forgiveFailing(r.Child, r.Node)
	m.lead.placing.moves[r.Child] = r.Node
	m.lead.placing.look(r.Child)
	return nil
}

// moved reports whether the active replica of a child serves on a node. While another entry of the child is being written,
// what is known says nothing of that: it may be stored already.
func (m *Machine) moved(child, node string) bool {
	e := m.history.Entry(child)
	if e == nil || m.op != nil && m.op.keys[child] {
		return false
	}
	active := protocol.ActiveOf(protocol.Derive(m.history.View(), &e.Entry))
	return active != nil && active.Node == node && m.carriedOut(*active, e) && !m.gaveUp(node, e)
}

func noChild(child string) *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeNotFound, Message: "child " + protocol.Quote(child) + " does not exist", Try: "phub child ls"}
}
