package replica

import "github.com/phub-io/phub/protocol"

// serves reports whether the replica has a tenure.
func (m *Machine) serves() bool { return m.role >= Active }

// entitled reports whether the newest assignment makes the replica active.
func (m *Machine) entitled() bool {
	return m.want.Assigned && m.want.Mode == protocol.Active && m.want.View >= m.minView && m.fail == nil
}

// stepRole moves on by one role, and reports whether there may be more to do.
func (m *Machine) stepRole() bool {
	next := m.nextRole()
	if next == Active {
		m.tenure = tenure{m.want.View, m.want.Epoch, m.want.Reason}
		m.shared = m.want.Spec.Redundancy.Strategy == protocol.Replication && !m.want.Spec.Redundancy.Exclusive()
	}
	if next == m.role {
		return false
	}
	m.role = next
	switch next {
	case Passive:
		m.shut, m.cut, m.void, m.drained, m.waiting = false, false, false, false, false
		m.asked = false
	case Holding, Active:
		m.hold = m.now + m.limits.Hold
	case Draining:
		m.hold = m.now + m.limits.Hold // for a worker that is being restarted
		m.cancel = m.now + m.limits.Drain
		m.abandon = m.cancel + m.limits.Grace
	}
	return true
}

func (m *Machine) nextRole() Role {
	switch m.role {
	case Passive:
		return m.begin()
	case Holding:
		if m.entitled() {
			return m.begin()
		}
		return Passive
	case Draining:
		return m.whileDraining()
	}
	return m.whileServing()
}

func (m *Machine) begin() Role {
	switch {
	case !m.entitled():
		return Passive
	case len(m.after) > 0 && !m.limits.Unsafe.NoAsk:
		return Holding
	}
	return Active
}

func (m *Machine) whileServing() Role {
	switch {
	case m.fail != nil, m.void:
		return Draining
	case m.entitled() && m.shared && len(m.after) > 0 && !m.limits.Unsafe.ShareOn:
		return Draining // it is to be the only one from now on, and asks the others first
	case m.entitled():
		return Active
	case m.minView > m.tenure.view, !m.want.Assigned, m.want.Mode == protocol.Active:
		return Draining
	case !m.trusted, m.want.SpecRev != m.rev:
		return Draining
	}
	return Lingering
}

// whileDraining ends the tenure when all is finished: first the requests; then the worker is told that it is passive, and
// its active work ends. What is void, failed or distrusted is cut off.
func (m *Machine) whileDraining() Role {
	if m.drained && !m.shut && !m.limits.Unsafe.LetGoWorking {
		m.shut, m.drained, m.waiting = true, false, false
	}
	if cut := m.void || m.fail != nil || !m.trusted || m.now >= m.cancel; cut && !m.cut {
		m.waiting = m.waiting && m.shut
		m.shut, m.cut, m.abandon = true, true, m.now+m.limits.Grace
		m.do(Cancel{m.cause()})
	}
	if !m.drained && m.now >= m.abandon {
		m.do(Abandon{})
		m.drained = true
	}
	if m.drained {
		return Passive
	}
	return Draining
}

func (m *Machine) cause() Cause {
	if m.void || !m.trusted {
		return LeaseLost
	}
	return Demoted
}

// stepDrain asks for the end of what was taken, once nothing more is taken, and then for the end of all that the worker
// does as the active one.
func (m *Machine) stepDrain() {
	if m.role == Draining && m.sub == subClosed && !m.waiting {
		m.waiting = true
		m.do(Drain{Work: m.shut})
	}
}

// stepTell tells the worker its mode when that differs from what it was told last. To be passive in
// another epoch is no difference. One that is to stop, and has finished, is stopped without that.
func (m *Machine) stepTell() {
	if m.life != Running || !m.want.Assigned && m.shut && !m.cut {
		return
	}
	t := m.mode()
	if t.Mode != m.told.mode || t.Mode == protocol.Active && t.Epoch != m.told.epoch {
		m.told = told{t.Mode, t.Epoch}
		m.do(t)
	}
}

// mode returns what the worker is to be told now: active only while it serves. A process that was stopped may come to something
// else before the timer that ends its trust.
func (m *Machine) mode() Tell {
	if m.serves() && m.trusted && !m.shut && (m.now < m.lease.Until() || m.limits.Unsafe.DoorByTimer) {
		return Tell{protocol.Active, m.tenure.epoch, m.tenure.reason}
	}
	t := Tell{protocol.Passive, m.want.Epoch, m.want.Reason}
	if !m.trusted && (m.serves() || m.entitled()) {
		t.Reason = ReasonLease
	}
	if !m.want.Assigned {
		t.Epoch = m.told.epoch
	}
	return t
}

// ReasonLease is the reason that a worker is told when its node may not trust itself any more.
const ReasonLease = "lease_lost"
