package replica

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// Verdict is what is to be done with a request at this moment.
type Verdict int

// The verdicts.
const (
	Refuse Verdict = iota // nothing was done; another replica may serve it
	Hold                  // this replica will serve it soon
	Serve
)

// Serves reports whether a request may be given to the worker at this instant.
func (m *Machine) Serves(now int64) bool { return m.Door(now) == Serve }

// Door says what is to be done with a request at this instant. It is asked before each request, right
// when its handler is about to be called.
func (m *Machine) Door(now int64) Verdict {
	switch {
	case !m.trusted, now >= m.lease.Until() && !m.limits.Unsafe.DoorByTimer, m.role == Passive, m.shut:
		return Refuse
	case m.role == Holding:
		return m.held(now)
	case m.tenure.view < m.minView && m.role != Draining:
		return Refuse
	case m.life == Running:
		return Serve
	case m.role == Draining && (m.fail != nil || !m.want.Assigned):
		return Refuse // no worker follows that could serve it
	}
	return m.held(now)
}

func (m *Machine) held(now int64) Verdict {
	if now < m.hold {
		return Hold
	}
	return Refuse
}

// Why says for people why a request is not served at this instant.
func (m *Machine) Why(now int64) string {
	switch {
	case !m.trusted, now >= m.lease.Until():
		return "the lease of this node ran out"
	case m.fail != nil:
		return "the replica was given up"
	case m.role == Holding:
		return "the replica that was active before has not let go yet"
	case m.role == Passive:
		return "the replica is passive"
	case m.role == Draining:
		return "the replica is letting go"
	}
	return "the worker is being restarted"
}

// Epoch returns the epoch in which a request is served, and of the last tenure if there is none.
func (m *Machine) Epoch() uint64 { return m.tenure.epoch }

// Mode returns what the replica is to whoever asks: active only while it may serve.
func (m *Machine) Mode() (protocol.Mode, uint64) {
	t := m.mode()
	return t.Mode, t.Epoch
}

// Told returns the mode and the epoch that the worker that runs was told last, "" and 0 before the first.
func (m *Machine) Told() (protocol.Mode, uint64) { return m.told.mode, m.told.epoch }

// Role returns the present role.
func (m *Machine) Role() Role { return m.role }

// Life returns how far the worker is.
func (m *Machine) Life() Life { return m.life }

// View returns the view of the newest entry that is known.
func (m *Machine) View() uint64 { return m.want.View }

// Assigned reports whether there is to be a replica.
func (m *Machine) Assigned() bool { return m.want.Assigned }

// MinView returns the oldest entry by which the replica may ever serve again.
func (m *Machine) MinView() uint64 { return m.minView }

// Failure says why the replica was given up, or nil.
func (m *Machine) Failure() *Failure { return m.fail }

// GivenUp says why the replica was given up, once it has let go; nil before. It is what others may be
// told: whoever follows a replica that was given up does not ask it to let go any more.
func (m *Machine) GivenUp() *Failure {
	if m.serves() && !m.limits.Unsafe.ReportFailing {
		return nil
	}
	return m.fail
}

// LetGo reports whether nothing is served for the child, so that a successor may.
func (m *Machine) LetGo() bool { return !m.serves() }

// Waits reports whether the release of a node, by that view, is still needed.
func (m *Machine) Waits(node string, view uint64) bool {
	return m.role == Holding && m.asked && m.want.View == view && slices.Contains(m.after, node)
}

// Settled reports whether the replica is what it was last told to be, or was given up and has let go.
func (m *Machine) Settled() bool {
	switch {
	case !m.want.Assigned:
		return m.Gone()
	case m.serves() && m.role != Active:
		return false
	case m.fail != nil:
		return true
	case m.life != Running, m.rev != m.want.SpecRev:
		return false
	case m.entitled():
		return m.role == Active && m.sub == subOpen
	}
	return m.role == Passive && m.sub == subClosed
}

// Gone reports whether nothing of the replica is left.
func (m *Machine) Gone() bool {
	return !m.want.Assigned && m.life == Idle && m.role == Passive && m.sub == subClosed
}

// Wake returns the next instant at which the machine wants a Tick, or 0.
func (m *Machine) Wake() int64 {
	at := int64(0)
	for _, t := range m.deadlines() {
		if t > m.now && (at == 0 || t < at) {
			at = t
		}
	}
	return at
}

func (m *Machine) deadlines() [5]int64 {
	var d [5]int64
	if m.life == Idle && m.want.Assigned && m.fail == nil {
		d[0] = m.startAt
	}
	if m.role == Holding || m.role >= Active && m.life != Running {
		d[1] = m.hold
	}
	if m.role == Draining {
		if !m.cut {
			d[2] = m.cancel
		}
		d[3] = m.abandon
	}
	d[4] = m.subAt
	return d
}
