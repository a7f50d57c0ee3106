package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
)

// reportBad tells of each key that holds what is not to be obeyed, once, and mends what can be mended.
func (m *Machine) reportBad() {
	if !m.ready() {
		return
	}
	for _, b := range m.badKeys() {
		m.bad(b)
	}
	m.healSpecs()
}

// badKeys returns all keys that hold what is not to be obeyed.
func (m *Machine) badKeys() []BadKey {
	bad := m.specs.Bad()
	bad = append(bad, m.nodes.Bad()...)
	if m.op == nil {
		bad = append(bad, m.history.Bad()...)
	}
	return bad
}

func (m *Machine) bad(b BadKey) {
	id := b.String()
	if m.lead.badKnown[id] {
		return
	}
	if len(m.lead.badKnown) >= maxBadKnown {
		clear(m.lead.badKnown)
	}
	m.lead.badKnown[id] = true
	m.note(Warn, "bucket entry not obeyed: %s", id)
	m.event(protocol.BadEntry, protocol.Event{Reason: id})
}

const maxBadKnown = 10_000

// healHistory commits again what stands in the placement bucket under a key that somebody else wrote
// or deleted. What looks like the entry of a child that there is not is taken away, once a second: a node that read the bucket
// back, where it can't see which view wrote what, may have taken it for one. Other keys are left alone.
func (m *Machine) healHistory() bool {
	bad := m.history.Bad()
	if len(bad) == 0 {
		return false
	}
	var writes []Write
	number := m.nextNumber()
	due := false
	for _, b := range bad {
		switch e := m.history.Entry(b.Key); {
		case b.Key == protocol.ViewKey:
			due = true
		case b.Key == protocol.ConfigKey:
			writes = append(writes, Write{Key: b.Key, Value: encode(m.settings()), Last: m.history.Revision(b.Key)})
		case e != nil:
			writes = append(writes, m.entryWrite(m.asIs(e), number))
		case m.strayDue(b):
			writes = append(writes, Write{Key: b.Key, Delete: true, Last: m.history.Revision(b.Key)})
		case m.history.bad[b.Key] == "":
			due = true // a stray record that the next view tells to be one
		}
	}
	if len(writes) == 0 && !due {
		return false
	}
	m.lead.strays = m.now.Mono
	writes = slices.Clip(writes[:min(len(writes), MaxCommit-1)])
	m.commit("healed entries that were changed from outside", writes, nil)
	return true
}

// strayEvery is how often entries of children that there are not are taken away at most: anybody who may write to the bucket
// may write as many as he likes.
const strayEvery = time.Second

func (m *Machine) strayDue(b BadKey) bool {
	return m.history.bad[b.Key] == notCoordinators && protocol.ValidateChild(b.Key) == nil && m.now.Mono-m.lead.strays >= strayEvery
}

// asIs plans a child as it is. Its entry can't just be written again under a new view: its epoch may
// follow from a departure that is older than that. With a replica that departed a move is over.
func (m *Machine) asIs(e *Placed) planned {
	alive := m.alive(e)
	moving := e.Moving && len(alive) == len(e.Replicas)
	return planned{placement.Plan{Child: e.Child, Replicas: alive, Moving: moving, Reason: e.Reason}, e, e.Spec, "", nil}
}
