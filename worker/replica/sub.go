package replica

func (m *Machine) takeConn(e Event) {
	switch e := e.(type) {
	case Attached:
		m.conn = e.Conn
		m.reconnected()
	case Detached:
		m.conn = 0
		m.reconnected()
	case Opened:
		if e.Conn == m.conn && m.sub == subOpening {
			m.sub = m.result(e.OK, subOpen, subClosed)
		}
	case Closed:
		if e.Conn == m.conn && m.sub == subClosing {
			m.sub = m.result(e.OK, subClosed, subOpen)
		}
	case Refused:
		m.refused(e)
	}
}

// refused gives the replica up: NATS won't have its subscription, and another node's may be allowed.
func (m *Machine) refused(e Refused) {
	if e.Conn != m.conn || m.sub == subClosed {
		return
	}
	if m.sub == subOpen {
		m.sub = subUnknown
	}
	if !m.want.Assigned || m.fail != nil {
		return
	}
	m.fail = &Failure{Err: e.Err}
	if m.life == Starting || m.life == Running {
		m.stop(false)
	}
}

// reconnected forgets what was subscribed and asked for over the connection before.
func (m *Machine) reconnected() { m.sub, m.subAt, m.asked = subClosed, 0, false }

// result returns what a subscription is after a change that was carried out, or failed.
func (m *Machine) result(ok bool, after, before subscription) subscription {
	if ok {
		m.subAt = 0
		return after
	}
	m.subAt = m.now + m.limits.Retry
	if m.limits.Unsafe.GuessSub {
		return before
	}
	return subUnknown
}

// Group returns the number of the queue group in which requests are taken.
func (m *Machine) Group() uint64 { return m.group }

// stepSub opens when the worker runs and may be active, and closes when it may be no more: also when
// the node lost its trust, because then another may serve, whose requests must not come here. A restart
// of the worker closes nothing: what arrives is held.
func (m *Machine) stepSub() {
	if m.conn == 0 || m.now < m.subAt {
		return
	}
	wanted := m.role == Active || m.role == Holding
	switch {
	case m.sub == subClosed && wanted && m.life == Running && m.trusted:
		m.sub, m.group = subOpening, m.want.Group
		m.do(Open{m.conn})
	case m.sub == subUnknown, m.sub == subOpen && (m.role == Passive || m.role == Draining || !m.trusted || wanted && m.group != m.want.Group):
		m.sub = subClosing
		m.do(Close{m.conn})
	}
}

// stepAsk asks for releases once requests arrive here too, so that none finds nobody.
func (m *Machine) stepAsk() {
	if m.role != Holding || m.sub != subOpen || m.asked {
		return
	}
	m.asked = true
	m.hold = m.now + m.limits.Hold
	for _, n := range m.after {
		m.do(Ask{n, m.want.View})
	}
}
