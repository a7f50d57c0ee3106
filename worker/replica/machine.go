package replica

import (
	"math"
	"slices"

	"github.com/phub-io/phub/protocol"
)

// Lease tells until when this node may trust itself, on the clock of Step. It is read at each request
// and may change between two steps.
type Lease interface{ Until() int64 }

// Role is what a replica is to requests.
type Role uint8

// The roles. All but Passive and Holding may serve.
const (
	Passive   Role = iota
	Holding        // entitled, but others must let go first: what arrives is held
	Active         // entitled and serving
	Lingering      // another is to follow, and has not asked for the release yet
	Draining       // finishes what was taken, takes nothing new
)

// String returns the role's name.
func (r Role) String() string {
	return [...]string{"passive", "holding", "active", "lingering", "draining"}[r]
}

// Life is how far the worker is.
type Life uint8

// The lives.
const (
	Idle     Life = iota // no worker: none wanted, given up, or waiting to be restarted
	Starting             // being made and started
	Running
	Stopping
)

// String returns the life's name.
func (l Life) String() string { return [...]string{"idle", "starting", "running", "stopping"}[l] }

type subscription uint8

const (
	subClosed subscription = iota
	subOpening
	subOpen
	subClosing
	subUnknown // an Open or Close failed, and may have been carried out, in part or late: it must be closed first
)

// Failure says why a replica was given up. Ended: its worker ended as its restart policy allows.
type Failure struct {
	Err   string
	Ended bool
}

// tenure is the right to be active that an entry gave.
type tenure struct {
	view   uint64 // of the entry
	epoch  uint64
	reason string
}

// told is what the worker was told last.
type told struct {
	mode  protocol.Mode
	epoch uint64
}

// Machine is one replica's life. The zero value is of no use: see New.
type Machine struct {
	lease  Lease
	limits *Limits

	want    protocol.Assignment // the newest
	minView uint64              // never to serve by an entry older than this one
	after   []string            // those who must still let go
	freed   []string            // those who let go, as the view of want asked them to
	conn    uint64              // 0: no connection

	// Small fields stand together: there are thousands of machines.
	role    Role
	life    Life
	sub     subscription
	trusted bool
	shut    bool // Draining, and nothing more may be served
	cut     bool // Draining, and what runs was cancelled
	void    bool // the tenure is void
	shared  bool // other replicas may serve beside this one, by the entry that it serves by
	drained bool
	waiting bool // Drain was asked for
	asked   bool

	tenure  tenure // while role is Active, Lingering or Draining
	cancel  int64  // when Draining cancels what runs
	abandon int64  // when Draining waits no more
	hold    int64  // until when requests are held

	run      uint64 // number of the last start
	rev      uint64 // of the spec with which it was started
	restarts []int64
	startAt  int64
	fail     *Failure

	subAt int64  // of sub: not to be tried before
	group uint64 // of sub: the queue group
	told  told

	now int64
	out []Action
}

// Limits are the times that a machine goes by, in nanoseconds. Zero means the default: see WithDefaults.
type Limits struct {
	Hold  int64 // for how long requests are held. Default 5 s
	Drain int64 // for how long a handler may go on after a demotion, and what ends after it may take. Default 30 s
	Grace int64 // for how long what was cancelled is waited for. Default 1 s
	Retry int64 // between attempts to subscribe. Default 100 ms

	Unsafe Unsafe // for tests only
}

// WithDefaults returns l with what it leaves open filled in.
func (l Limits) WithDefaults() Limits {
	const ms = 1_000_000
	for _, f := range []struct {
		value *int64
		def   int64
	}{{&l.Hold, 5000 * ms}, {&l.Drain, 30000 * ms}, {&l.Grace, 1000 * ms}, {&l.Retry, 100 * ms}} {
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	return l
}

// New returns the machine of a replica of which nothing is known yet. The limits are shared by many
// machines: they must be complete, and not be changed any more.
func New(lease Lease, l *Limits) Machine { return Machine{lease: lease, limits: l} }

// Step takes an event and returns what is to be done, in this order: what the worker's life needs,
// then its subscription, then those it waits for, then what it is told. The actions of one step are
// to be carried out before those of the next.
func (m *Machine) Step(now int64, e Event) []Action {
	m.now, m.out = now, nil
	if m.limits.Unsafe.ForgetRelease && m.role == Passive {
		m.minView = 0
	}
	m.take(e)
	for m.stepRole() {
	}
	m.stepLife()
	m.stepSub()
	m.stepDrain()
	m.stepAsk()
	m.stepTell()
	out := m.out
	m.out = nil
	return out
}

func (m *Machine) take(e Event) {
	switch e := e.(type) {
	case Assigned:
		m.assigned(e)
	case Voided:
		m.want.Assigned, m.void = false, m.serves() && !m.limits.Unsafe.KeepTenure
		m.forgive()
	case TrustGained:
		m.trusted = true
	case TrustLost:
		m.lostTrust()
	case ReleaseAsked:
		m.minView = max(m.minView, e.View)
	case Released:
		if e.View == m.want.View || m.limits.Unsafe.AnyRelease {
			m.freed = append(m.freed, e.Node)
			m.after = slices.DeleteFunc(m.after, func(n string) bool { return n == e.Node })
		}
	case Drained:
		m.drained = m.drained || m.waiting && e.Work == m.shut
	default:
		m.takeLife(e)
		m.takeConn(e)
	}
}

func (m *Machine) assigned(e Assigned) {
	a := e.Assignment
	if a.View < m.want.View && (!e.Reset || m.want.View == LastView) {
		return
	}
	if e.Reset && m.serves() && !m.continues(a) && !m.limits.Unsafe.KeepTenure {
		m.void = true
	}
	if !a.Assigned || a.SpecRev != m.rev {
		m.forgive()
	}
	m.waitFor(a)
	m.want = a
}

// LastView is the view of the assignment that ends a replica because its host stops: none follows it.
const LastView = math.MaxUint64

// continues reports whether a goes on with the present tenure: an epoch belongs to one node only.
func (m *Machine) continues(a protocol.Assignment) bool {
	return a.Assigned && a.Mode == protocol.Active && a.Epoch == m.tenure.epoch && len(a.After) == 0
}

// waitFor sets those who must still let go. Who has let go by an entry has done so for good. An entry
// may make this replica active only later, when a view without the first in its order follows.
func (m *Machine) waitFor(a protocol.Assignment) {
	if a.View != m.want.View || !m.want.Assigned {
		m.freed, m.asked = nil, false
	}
	m.after = slices.DeleteFunc(slices.Clone(a.After), func(n string) bool { return slices.Contains(m.freed, n) })
}

func (m *Machine) lostTrust() {
	m.trusted = false
	if m.serves() {
		m.do(Cancel{LeaseLost})
	}
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }
