package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// restMost is how long a machine rests at most that has nothing to look after but its own membership. Each waking of a
// process costs its machine far more than the tick itself; hundreds of nodes that wake up 40 times a second to find nothing
// to do leave no time for those that have something.
const restMost = 10 * TickEvery

// Rest returns for how long, from the last step on, no Tick is due: TickEvery after the last one if this node has to
// look after others, else until there is something to do, and restMost at most. What happens meanwhile may shorten it.
func (m *Machine) Rest() time.Duration {
	due := m.pace.tick + TickEvery
	if !m.watches() {
		due = max(due, min(m.nextDue(), m.pace.tick+restMost))
	}
	m.pace.due = max(due, m.now.Mono)
	return m.pace.due - m.now.Mono
}

// watches reports whether this node has to look at everything at each tick.
func (m *Machine) watches() bool {
	v := m.history.View()
	return v == nil || m.lead != nil || m.op != nil || m.leaving || m.draining || !m.ready() ||
		m.rank() < deputies || m.coord.suspect || m.coordFenced() || m.coord.busy || m.kicksOn() || m.history.unsure ||
		len(m.local.awaiting) > 0 || m.key.urgent
}

// nextDue returns when there is something to do for a node that watches nobody, if nothing happens before.
func (m *Machine) nextDue() time.Duration {
	due := forever
	if !m.beats.busy {
		due = min(due, m.beats.next)
	}
	if m.beats.soon && !m.beats.busy {
		due = m.now.Mono
	}
	if !m.key.busy && !m.key.reading {
		due = min(due, m.key.next)
	}
	if !m.contact.busy {
		due = min(due, m.contact.sent+contactEvery)
	}
	for _, b := range protocol.Buckets {
		due = min(due, m.loadNext(b))
	}
	return due
}

// loadNext returns when a bucket is to be read.
func (m *Machine) loadNext(b protocol.Bucket) time.Duration {
	l, f := m.loads[b], m.feedOf(b)
	switch {
	case l == nil || l.busy:
		return forever
	case l.again:
		return l.retry
	case f.hint > f.last || b == protocol.NodesBucket && m.nodes.contested:
		return max(f.due, l.rest, l.retry)
	}
	return forever
}
