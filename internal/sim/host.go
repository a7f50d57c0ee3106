package sim

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// host does what worker.Host does around the machines of the replicas: it hands them what concerns
// them, and carries out what they want.
type host struct {
	p          *process
	lease      lease
	limits     replica.Limits
	trusted    bool
	link       *conn
	slots      map[string]*slot
	peers      peers
	numbers    uint64   // of requests for release
	seen       uint64   // the newest view that was assigned to the end
	onAssigned []func() // called when the next view has been assigned
	asks       map[string]map[*slot]uint64
	view       uint64
	stopped    bool
	onEmpty    func()
	batch      []func() // opens and closes that wait for the end of an Assign
	holding    bool
	subs       map[string]*interest // what the server knows of the connection's subscriptions, by child
}

// interest is a child's subscription, as the server has it.
type interest struct {
	open  bool
	until int64 // a change that failed is carried out by then, if it is at all; later ones come after it
}

// interest returns the server's side of a child's subscription.
func (h *host) interest(child string) *interest {
	i := h.subs[child]
	if i == nil {
		i = &interest{}
		h.subs[child] = i
	}
	return i
}

// lease is until when the node may trust itself; it is read at each request.
type lease struct{ until int64 }

func (l *lease) Until() int64 { return l.until }

func newHost(p *process) *host {
	limits := replica.Limits{Unsafe: p.w.unsafe.Replica}.WithDefaults()
	return &host{p: p, limits: limits, slots: map[string]*slot{}, asks: map[string]map[*slot]uint64{}, subs: map[string]*interest{}}
}

func (h *host) all() []*slot {
	out := make([]*slot, 0, len(h.slots))
	for _, child := range slices.Sorted(maps.Keys(h.slots)) {
		out = append(out, h.slots[child])
	}
	return out
}

func (h *host) tellAll(e replica.Event) {
	for _, s := range h.all() {
		h.p.do(func() { s.step(e) })
	}
}

func (h *host) attach(c *conn) {
	h.link = c
	h.tellAll(replica.Attached{Conn: c.number})
}

func (h *host) detach() {
	if h.link == nil {
		return
	}
	h.link = nil
	h.subs = map[string]*interest{} // they end with the connection
	if !h.p.w.unsafe.View.KeepTrust {
		h.lease.until = 0
		h.distrust("the connection was lost")
	}
	h.tellAll(replica.Detached{})
}

func (h *host) trust(until int64, reason string) {
	if h.link == nil && !h.p.w.unsafe.View.KeepTrust {
		until = 0
	}
	before := h.lease.until
	h.lease.until = until
	switch now := h.p.local(); {
	case until <= now:
		h.distrust(reason)
	case !h.trusted:
		h.trusted = true
		h.p.w.tell(h.p.name, "trusts itself, for %v from now if nothing renews it", time.Duration(until-now).Round(time.Millisecond))
		h.arm(until)
		h.tellAll(replica.TrustGained{})
	case until < before:
		h.arm(until)
	case before <= now:
		h.tellAll(replica.Tick{})
	}
}

func (h *host) distrust(reason string) {
	if h.trusted {
		h.trusted = false
		h.p.w.tell(h.p.name, "trusts itself no more: %s", reason)
		h.tellAll(replica.TrustLost{Reason: reason})
	}
}

func (h *host) arm(until int64) {
	h.p.after(until-h.p.local(), func() {
		switch {
		case h.p.local() < h.lease.until:
			h.arm(h.lease.until)
		default:
			h.distrust("the lease ran out")
		}
	})
}

func (h *host) assign(view uint64, changes []protocol.Assignment, reset bool) {
	if h.stopped {
		return
	}
	h.holding = true
	if reset {
		h.voidOthers(changes)
	}
	for _, a := range changes {
		h.p.do(func() {
			h.p.w.logf(h.p.name, "  %s: %v", a.Child, replica.Assigned{Assignment: a, Reset: reset})
			h.with(a.Child, a.Assigned, func(s *slot) {
				s.told = a.SpecRev
				s.step(replica.Assigned{Assignment: a, Reset: reset})
			})
		})
	}
	h.p.do(func() { h.assigned(view) })
}

func (h *host) assigned(view uint64) {
	h.seen = max(h.seen, view)
	h.view = view
	h.holding = false
	for _, do := range h.batch {
		do()
	}
	h.batch = nil
	waiting := h.onAssigned
	h.onAssigned = nil
	for _, do := range waiting {
		h.p.do(do)
	}
	h.news()
}

func (h *host) voidOthers(changes []protocol.Assignment) {
	named := map[string]bool{}
	for _, a := range changes {
		named[a.Child] = true
	}
	for _, s := range h.all() {
		if !named[s.child] {
			h.p.do(func() { s.step(replica.Voided{}) })
		}
	}
}

func (h *host) with(child string, add bool, f func(*slot)) {
	s := h.slots[child]
	if s == nil && add {
		s = &slot{h: h, child: child, m: replica.New(&h.lease, &h.limits)}
		if h.link != nil {
			s.m.Step(0, replica.Attached{Conn: h.link.number})
		}
		if h.trusted {
			s.m.Step(0, replica.TrustGained{})
		}
		h.slots[child] = s
	}
	if s != nil {
		f(s)
	}
}

// news tells the loop, soon, that there is something new to report.
func (h *host) news() {
	p := h.p
	if p.report {
		return
	}
	p.report = true
	p.after(50*us, func() {
		p.report = false
		p.reportToLoop()
	})
}

func (h *host) reportNow() protocol.Report {
	r := protocol.Report{Settled: h.view}
	for _, s := range h.all() {
		f := s.m.GivenUp()
		if s.m.Assigned() {
			r.Children++
		}
		switch {
		case f != nil:
			r.Failed = append(r.Failed, protocol.Failed{Child: s.child, View: s.m.View(), Error: f.Err, Ended: f.Ended})
		case !s.m.Settled():
			r.Waiting = append(r.Waiting, s.child)
		}
		if s.m.Role() >= replica.Active && f == nil {
			r.Active++
		}
		if s.ends > 0 && len(r.Restarted) < protocol.MaxRestarted {
			r.Restarted = append(r.Restarted, protocol.Restarted{Child: s.child, Restarts: s.ends, Error: "failed"})
		}
	}
	return r
}

// stopAll stops all replicas, as if none were assigned any more. What does not end in time is cut off.
func (h *host) stopAll(done func()) {
	h.stopped = true
	h.seen = math.MaxUint64
	h.onEmpty = done
	h.tellAll(replica.Assigned{Assignment: protocol.Assignment{View: math.MaxUint64}})
	h.p.after(int64(45*time.Second), func() {
		if h.onEmpty != nil {
			h.tellAll(replica.Voided{})
		}
	})
	h.checkEmpty()
}

func (h *host) checkEmpty() {
	if h.onEmpty != nil && len(h.slots) == 0 {
		done := h.onEmpty
		h.onEmpty = nil
		done()
	}
}

// tainted marks the handlers and the active work that run: a process that is paused, or does not know that it was
// disconnected, can't be stopped from outside.
func (h *host) tainted() {
	for _, s := range h.slots {
		s.excused = s.excused || s.busy
		s.work.excused = s.work.excused || s.work.runs
	}
}
