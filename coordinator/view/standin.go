package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// standIn lets the coordinator answer for children that have no active replica, so that who asks them
// with nothing but NATS learns that the child exists: where nobody listens at all, NATS says the same
// of it as of a child that there never was.
type standIn struct {
	unserved map[string]time.Duration // children without a living replica, and since when
	standing map[string]uint64        // those that are answered for, and the queue group
	next     time.Duration            // when to look again
}

const (
	// standAfter is for how long a child is without a replica before it is answered for: a start or a
	// failover takes less.
	standAfter = 500 * time.Millisecond
	// standEvery is how often the coordinator looks.
	standEvery = 50 * time.Millisecond
	// standMost bounds how many children are answered for at a time.
	standMost = 1000
)

func (s *standIn) reset() {
	*s = standIn{unserved: map[string]time.Duration{}, standing: map[string]uint64{}}
}

// String returns whom it is about.
func (a StandIn) String() string { return fmt.Sprintf("stand in for %v: %t", a.Children, a.On) }

// noteServed looks whether a child has a living replica.
func (m *Machine) noteServed(child string) {
	s := &m.lead.standIn
	spec, _ := m.specs.Get(child)
	e := m.history.Entry(child)
	if spec == nil || e == nil || len(m.alive(e)) > 0 {
		delete(s.unserved, child)
		if group, ok := s.standing[child]; ok {
			delete(s.standing, child)
			m.do(StandIn{Children: []protocol.Interest{{Child: child, Group: group}}})
		}
		return
	}
	if _, known := s.unserved[child]; !known {
		s.unserved[child] = m.now.Mono
	}
}

// standInDue starts to answer for children.
func (m *Machine) standInDue() {
	s := &m.lead.standIn
	if len(s.unserved) == 0 || m.now.Mono < s.next {
		return
	}
	s.next = m.now.Mono + standEvery
	var on []string
	for child, since := range s.unserved {
		if _, stands := s.standing[child]; !stands && m.now.Mono-since >= standAfter {
			on = append(on, child)
		}
	}
	slices.Sort(on)
	on = on[:min(len(on), max(0, standMost-len(s.standing)))]
	var children []protocol.Interest
	for _, child := range on {
		s.standing[child] = protocol.GroupOf(m.history.View(), &m.history.Entry(child).Entry)
		children = append(children, protocol.Interest{Child: child, Group: s.standing[child]})
	}
	if len(children) > 0 {
		m.do(StandIn{Children: children, On: true})
	}
}

// standDown ends to answer for anybody.
func (m *Machine) standDown() {
	for _, child := range sortedKeys(m.lead.standIn.standing) {
		m.do(StandIn{Children: []protocol.Interest{{Child: child, Group: m.lead.standIn.standing[child]}}})
	}
}

// noteCommit looks at the children that a commit changed, or whose replicas it took away.
func (m *Machine) noteCommit(changes []Change) {
	for _, ch := range changes {
		m.noteServed(ch.Child)
	}
}

// noteAll looks at all children.
func (m *Machine) noteAll() {
	for child := range m.lead.standIn.unserved {
		m.noteServed(child)
	}
	for child := range m.specs.specs {
		m.noteServed(child)
	}
}

// StandInText is what is answered for a child without an active replica.
func StandInText(child string) string {
	return "child " + child + " has no active replica at this moment; phub child info " + child + " says why"
}

// StandInCode goes with it: nothing was done.
const StandInCode = protocol.CodeNotActive
