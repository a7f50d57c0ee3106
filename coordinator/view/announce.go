package view

import (
	"github.com/phub-io/phub/protocol"
)

// announcer tells whoever watches what committed views mean. It works off what it has to tell in
// pieces, so that telling never holds up deciding.
type announcer struct {
	queue []announcement
}

// announcement is what one commit may have changed for some children.
type announcement struct {
	before, after *protocol.View
	changes       []Change
}

// announceStep bounds how many children are looked at in one step.
const announceStep = 500

// event publishes a life-cycle event. What it is about tells its subject: the child, else the node, else
// the hub (bad_entry, whose key may be no valid name).
func (m *Machine) event(t protocol.EventType, e protocol.Event) {
	e.Hub, e.Type, e.View, e.Time = m.cfg.Hub, t, m.viewNumber(), m.wall()
	m.do(AnnounceEvent{e})
}

// announceCommit tells of a commit's members now, and of its children soon.
func (m *Machine) announceCommit(c Commit) {
	m.announceMembers(c)
	changes := c.Changed
	if departed(c) {
		changes = m.bereaved(c)
	}
	for len(changes) > 0 {
		n := min(len(changes), announceStep)
		m.lead.announce.queue = append(m.lead.announce.queue, announcement{c.Before, c.After, changes[:n]})
		changes = changes[n:]
	}
}

func (m *Machine) announceMembers(c Commit) {
	for _, x := range c.After.Members {
		if !c.Before.Has(x.Incarnation) {
			m.event(protocol.NodeJoined, protocol.Event{Node: x.Node, Reason: "incarnation " + x.ID})
		}
	}
	if c.Before == nil || c.Before.Coordinator != c.After.Coordinator {
		m.event(protocol.CoordinatorChanged, protocol.Event{Node: c.After.Coordinator.Node, Reason: c.After.Reason})
	}
	for _, d := range c.After.Gone {
		if d.Until != c.After.Number {
			continue
		}
		t := protocol.NodeLost
		if d.Reason == string(protocol.NodeLeft) {
			t = protocol.NodeLeft
		}
		m.event(t, protocol.Event{Node: d.Node, Reason: d.Reason})
	}
}

// bereaved returns the children that had a replica on a node that a commit took out, besides those
// that it changed itself.
func (m *Machine) bereaved(c Commit) []Change {
	changes := c.Changed
	for _, child := range m.history.children() {
		if e := m.history.entries[child]; e.View < c.After.Number && m.mentionsGone(c.After, e) {
			changes = append(changes, Change{Child: child, Before: e, After: e})
		}
	}
	return changes
}

// announceDue tells of some more children.
func (m *Machine) announceDue() {
	a := &m.lead.announce
	if len(a.queue) == 0 {
		return
	}
	n := a.queue[0]
	a.queue = a.queue[1:]
	for _, ch := range n.changes {
		m.announceChange(n.before, n.after, ch)
	}
}

func (m *Machine) announceChange(before, after *protocol.View, ch Change) {
	was, is := rolesBy(before, ch.Before), rolesBy(after, ch.After)
	reason := after.Reason
	if ch.After != nil {
		reason = m.reasonOf(ch.After, activeEpoch(is))
	}
	for _, node := range sortedKeys(is) {
		r := is[node]
		if old, ok := was[node]; ok && old.Mode == r.Mode && (r.Mode == protocol.Passive || old.Epoch == r.Epoch) {
			continue
		}
		m.announceMode(ch.Child, node, r.Mode, r.Epoch, reason)
	}
	m.announceLife(ch, was, is, reason)
}

func (m *Machine) announceMode(child, node string, mode protocol.Mode, epoch uint64, reason string) {
	m.do(AnnounceMode{protocol.ModeMessage{
		Hub: m.cfg.Hub, Child: child, Node: node, Mode: mode, Epoch: epoch, Reason: reason, Time: m.wall(),
	}})
}

// announceLife tells that a child was started, stopped or moved.
func (m *Machine) announceLife(ch Change, was, is map[string]protocol.Role, reason string) {
	before, after := activeNode(was), activeNode(is)
	switch {
	case ch.Before == nil && ch.After != nil:
		m.event(protocol.ChildStarted, protocol.Event{Child: ch.Child, Node: after, Reason: reason})
	case ch.Before != nil && len(ch.Before.Replicas) > 0 && (ch.After == nil || len(ch.After.Replicas) == 0 && ch.After.Spec == 0):
		m.event(protocol.ChildStopped, protocol.Event{Child: ch.Child, Reason: reason})
	case before != "" && after != "" && before != after && ch.After != nil && ch.After.Exclusive:
		m.event(protocol.ChildMoved, protocol.Event{Child: ch.Child, Node: after, Reason: reason})
	}
}

func rolesBy(v *protocol.View, e *Placed) map[string]protocol.Role {
	if v == nil || e == nil {
		return nil
	}
	roles := map[string]protocol.Role{}
	for _, r := range protocol.Derive(v, &e.Entry) {
		roles[r.Node] = r
	}
	return roles
}

func activeNode(roles map[string]protocol.Role) string {
	for _, node := range sortedKeys(roles) {
		if roles[node].Mode == protocol.Active {
			return node
		}
	}
	return ""
}

func activeEpoch(roles map[string]protocol.Role) uint64 {
	if r, ok := roles[activeNode(roles)]; ok {
		return r.Epoch
	}
	return 0
}
