package view

import (
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/protocol"
)

// announcer tells whoever watches what committed views mean. It works off what it has to tell in
// pieces, so that telling never holds up deciding, nor those who are to serve what it tells of.
type announcer struct {
	queue []announcement
	next  time.Duration // the next piece not before this instant
}

// announcement is what one commit may have changed for some children.
type announcement struct {
	before, after *protocol.View
	changes       []Change
}

// announceAtOnce is how many children are told of without a pause. Of more, announcePiece are told of in a
// tick.
const (
	announceAtOnce = 50
	announcePiece  = 500
)

// event publishes a life-cycle event. What it is about tells its subject: the child, else the node, else
// the hub (bad_entry, whose key may be no valid name).
func (m *Machine) event(t protocol.EventType, e protocol.Event) {
	e.Hub, e.Type, e.View, e.Time = m.cfg.Hub, t, m.viewNumber(), m.wall()
	m.do(AnnounceEvent{e})
}

// announceCommit tells of a commit's members now, and of its children soon.
func (m *Machine) announceCommit(c Commit) {
	m.announceMembers(c)
	a := &m.lead.announce
	changes := append(slices.Clone(c.Changed), m.bereaved(c)...)
	if len(changes) > announceAtOnce {
		a.next = m.now.Mono + TickEvery
	}
	for len(changes) > 0 {
		n := min(len(changes), announcePiece)
		a.queue = append(a.queue, announcement{c.Before, c.After, changes[:n]})
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
	changed := make(set, len(c.Changed))
	for _, ch := range c.Changed {
		changed[ch.Child] = true
	}
	var changes []Change
	for e := range m.history.concerned(c.lost()) {
		if !changed[e.Child] {
			changes = append(changes, Change{Child: e.Child, Before: e, After: e})
		}
	}
	slices.SortFunc(changes, func(x, y Change) int { return strings.Compare(x.Child, y.Child) })
	return slices.CompactFunc(changes, func(x, y Change) bool { return x.Child == y.Child })
}

// announceDue tells of some more children.
func (m *Machine) announceDue() {
	a := &m.lead.announce
	if len(a.queue) == 0 || m.now.Mono < a.next {
		return
	}
	n := a.queue[0]
	a.queue = a.queue[1:]
	if len(n.changes) > announceAtOnce {
		a.next = m.now.Mono + TickEvery
	}
	for _, ch := range n.changes {
		m.announceChange(n.before, n.after, ch)
	}
}

func (m *Machine) announceChange(before, after *protocol.View, ch Change) {
	was, is := rolesBy(before, ch.Before), rolesBy(after, ch.After)
	reason := after.Reason
	if ch.After != nil {
		reason = reasonIn(after, ch.After, activeIn(is).Epoch)
	}
	for _, r := range is {
		if old := roleOf(was, r.Node); old != nil && old.Mode == r.Mode && (r.Mode == protocol.Passive || old.Epoch == r.Epoch) {
			continue
		}
		m.announceMode(ch.Child, r.Node, r.Mode, r.Epoch, reason)
	}
	m.announceLife(ch, activeIn(was).Node, activeIn(is).Node, reason)
}

func (m *Machine) announceMode(child, node string, mode protocol.Mode, epoch uint64, reason string) {
	m.do(AnnounceMode{protocol.ModeMessage{
		Hub: m.cfg.Hub, Child: child, Node: node, Mode: mode, Epoch: epoch, Reason: reason, Time: m.wall(),
	}})
}

// announceLife tells that a child was started, stopped or moved; before and after are its active nodes.
func (m *Machine) announceLife(ch Change, before, after, reason string) {
	switch {
	case ch.Before == nil && ch.After != nil:
		m.event(protocol.ChildStarted, protocol.Event{Child: ch.Child, Node: after, Reason: reason})
	case ch.Before != nil && len(ch.Before.Replicas) > 0 && (ch.After == nil || len(ch.After.Replicas) == 0 && ch.After.Spec == 0):
		m.event(protocol.ChildStopped, protocol.Event{Child: ch.Child, Reason: reason})
	case before != "" && after != "" && before != after && ch.After != nil && ch.After.Exclusive:
		m.event(protocol.ChildMoved, protocol.Event{Child: ch.Child, Node: after, Reason: reason})
	}
}

// rolesBy returns what a view made of an entry, by node.
func rolesBy(v *protocol.View, e *Placed) []protocol.Role {
	if v == nil || e == nil {
		return nil
	}
	roles := protocol.Derive(v, &e.Entry)
	slices.SortFunc(roles, func(x, y protocol.Role) int { return strings.Compare(x.Node, y.Node) })
	return roles
}

func roleOf(roles []protocol.Role, node string) *protocol.Role {
	for i := range roles {
		if roles[i].Node == node {
			return &roles[i]
		}
	}
	return nil
}

// activeIn returns the active role, the first by name if there are several; the zero Role if there is none.
func activeIn(roles []protocol.Role) protocol.Role {
	for _, r := range roles {
		if r.Mode == protocol.Active {
			return r
		}
	}
	return protocol.Role{}
}
