package replica

import (
	"fmt"

	"github.com/phub-io/phub/protocol"
)

const (
	firstBackOff int64 = 10_000_000    // 10 ms
	maxBackOff   int64 = 1_000_000_000 // 1 s
)

func (m *Machine) takeLife(e Event) {
	switch e := e.(type) {
	case Started:
		if m.current(e.Run) && m.life == Starting {
			m.life, m.told = Running, told{}
		}
	case StartFailed:
		m.ended(e.Run, e.Err, true, e.Final)
	case Ended:
		m.ended(e.Run, e.Err, false, false)
	case Stopped:
		if e.Run == m.run && m.life == Stopping {
			m.life = Idle
		}
	}
}

func (m *Machine) current(run uint64) bool {
	return run == m.run && (m.life == Starting || m.life == Running)
}

// ended has the rest of the worker cleaned up, and decides what follows.
func (m *Machine) ended(run uint64, err string, starting, final bool) {
	if !m.current(run) {
		return
	}
	m.stop(false)
	if !m.want.Assigned || m.want.SpecRev != m.rev {
		return
	}
	r := m.want.Spec.Restart
	switch {
	case final:
		m.fail = &Failure{Err: err}
	case r.Policy == protocol.Temporary:
		m.fail = &Failure{Err: err, Ended: !starting}
	case r.Policy == protocol.Transient && err == "":
		m.fail = &Failure{Ended: true}
	default:
		m.restart(r, err)
	}
}

// restart plans a restart, or gives up if there were too many.
func (m *Machine) restart(r protocol.Restart, err string) {
	kept := m.restarts[:0]
	for _, at := range m.restarts {
		if m.now-at < int64(r.Within) {
			kept = append(kept, at)
		}
	}
	m.restarts = append(kept, m.now)
	if n := len(m.restarts); n > r.Max {
		m.fail = &Failure{Err: fmt.Sprintf("given up after %d restarts within %v: %s", r.Max, r.Within.Std(), orNormal(err))}
		return
	}
	m.startAt = m.now + backOff(len(m.restarts))
}

func orNormal(err string) string {
	if err == "" {
		return "the worker ended without an error, and its restart policy is permanent"
	}
	return err
}

// backOff returns the wait before the nth restart of a row.
func backOff(n int) int64 {
	if n > 7 {
		return maxBackOff
	}
	return min(firstBackOff<<(n-1), maxBackOff)
}

// forgive forgets failures and restarts: what comes next is a new beginning.
func (m *Machine) forgive() { m.fail, m.restarts, m.startAt = nil, nil, 0 }

func (m *Machine) stop(graceful bool) {
	m.life = Stopping
	if m.role != Draining { // a successor waits
		m.hold = m.now + m.limits.Hold
	}
	m.do(Stop{m.run, graceful})
}

func (m *Machine) stepLife() {
	switch m.life {
	case Idle:
		if m.want.Assigned && m.fail == nil && m.now >= m.startAt {
			m.run++
			m.life, m.rev, m.startAt = Starting, m.want.SpecRev, 0
			m.do(Start{m.run, m.want.Spec})
		}
	case Starting, Running:
		gone := !m.want.Assigned && m.role == Passive
		if gone || m.want.Assigned && m.want.SpecRev != m.rev && m.role != Draining {
			m.stop(!gone)
		}
	}
}
