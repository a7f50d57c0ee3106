package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// Host holds the replicas of one node. Its methods may be called concurrently, but for Assign, which
// is called from one goroutine, in the order of the views.
type Host struct {
	cfg    Config
	limits replica.Limits
	lease  lease
	book   *book
	tasks  *tasks
	pool   *pool
	opener batch
	closer batch
	asker  asker
	asked  releases
	header map[string][]string // of replies that no epoch stands behind
	queued atomic.Int64        // bytes of the requests that wait
	peers  peers
	seen   atomic.Uint64 // the newest view that was assigned to the end
	link   atomic.Pointer[link]
	ctx    context.Context // ends with the host
	cancel context.CancelFunc

	// state is held for reading while a replica is added, and for writing while something is told to
	// all replicas, so that none misses it. It is taken before any slot's lock.
	state   sync.RWMutex
	links   uint64 // number of the last link
	trusted bool
	stopped bool

	mu       sync.RWMutex // of what follows; taken last
	slots    map[string]*slot
	empty    chan struct{} // room for one: slots became empty
	assigned chan struct{} // closed when the next view has been assigned; nil while nobody waits for that
}

// New returns a host without replicas, which trusts itself not at all. Stop must be called.
func New(c Config) *Host {
	c = c.withDefaults()
	h := &Host{
		cfg: c, limits: c.limits(), book: newBook(), tasks: newTasks(),
		header: map[string][]string{protocol.HeaderNode: {c.Node}},
		slots:  map[string]*slot{}, empty: make(chan struct{}, 1),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.lease.h = h
	h.pool = newPool(h)
	h.opener = batch{h: h, open: true}
	h.closer = batch{h: h}
	h.asker = asker{h: h, nodes: map[string]map[*slot]asked{}}
	h.tasks.spawn(h.notify)
	return h
}

// notify tells the user of the host that the report changed.
func (h *Host) notify() {
	for {
		select {
		case <-h.book.changed:
			h.cfg.Changed()
		case <-h.ctx.Done():
			return
		}
	}
}

// Assign tells what a view means for this node's replicas; see coordinator.Local. It returns when the
// modes of all replicas are what they are now; what takes time goes on behind it. changes is not kept.
func (h *Host) Assign(view uint64, changes []protocol.Assignment, reset bool) {
	if h.isStopped() {
		return
	}
	h.book.begin(view)
	h.opener.pause()
	h.closer.pause()
	if reset {
		h.voidOthers(changes)
	}
	for _, a := range changes {
		h.assign(a, reset)
	}
	h.follow(view)
	h.book.end(view)
	h.opener.resume()
	h.closer.resume()
}

func (h *Host) assign(a protocol.Assignment, reset bool) {
	if a.Assigned && (a.Spec == nil || protocol.ValidateChild(a.Child) != nil) {
		h.cfg.Logger.Error("an assignment without a spec or with an invalid name is ignored", "child", a.Child, "view", a.View)
		return
	}
	h.with(a.Child, a.Assigned, func(s *slot) {
		if a.Assigned {
			s.respec(a.Spec)
		}
		s.stepLocked(replica.Assigned{Assignment: a, Reset: reset})
	})
}

// voidOthers stops the replicas that a reset does not name.
func (h *Host) voidOthers(changes []protocol.Assignment) {
	named := make(map[string]bool, len(changes))
	for _, a := range changes {
		named[a.Child] = true
	}
	for _, s := range h.all() {
		if !named[s.child] {
			s.step(replica.Voided{})
		}
	}
}

// Report returns what is to be said of the replicas in a heartbeat.
func (h *Host) Report() protocol.Report { return h.book.report(h.maxPayload()) }

// with calls f with the child's slot locked. Without add, nothing happens if there is none.
func (h *Host) with(child string, add bool, f func(*slot)) {
	for {
		s := h.slot(child)
		if s == nil && add {
			s = h.add(child)
		}
		if s == nil {
			return
		}
		s.mu.Lock()
		if !s.gone {
			f(s)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

func (h *Host) slot(child string) *slot {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.slots[child]
}

// add makes the child's slot, which knows of the link and the trust. It returns nil when the host has been
// stopped: nobody would end what is added then.
func (h *Host) add(child string) *slot {
	h.state.RLock()
	defer h.state.RUnlock()
	if h.stopped {
		return nil
	}
	s := newSlot(h, child)
	if l := h.link.Load(); l != nil {
		s.m.Step(0, replica.Attached{Conn: l.conn})
	}
	if h.trusted {
		s.m.Step(0, replica.TrustGained{})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.slots[child]; old != nil {
		return old
	}
	h.slots[child] = s
	return s
}

func (h *Host) remove(s *slot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slots[s.child] == s {
		delete(h.slots, s.child)
	}
	if len(h.slots) == 0 {
		select {
		case h.empty <- struct{}{}:
		default:
		}
	}
}

func (h *Host) all() []*slot {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*slot, 0, len(h.slots))
	for _, s := range h.slots {
		out = append(out, s)
	}
	return out
}

// tellAll gives an event to all replicas. state is held for writing.
func (h *Host) tellAll(e replica.Event) {
	for _, s := range h.all() {
		s.mu.Lock()
		if !s.gone {
			s.stepLocked(e)
		}
		s.mu.Unlock()
	}
}

func (h *Host) isStopped() bool {
	h.state.RLock()
	defer h.state.RUnlock()
	return h.stopped
}

// Unsettled returns how many replicas are not yet what they were last told to be, and how many were given up.
func (h *Host) Unsettled() (pending, failed int) { return h.book.unsettled() }

// Running returns the children of which this node has a replica that was not given up, sorted.
func (h *Host) Running() []string {
	var names []string
	for _, s := range h.all() {
		s.mu.Lock()
		if !s.gone && s.m.Failure() == nil {
			names = append(names, s.child)
		}
		s.mu.Unlock()
	}
	slices.Sort(names)
	return names
}

// Stop stops all replicas as if none were assigned any more: what they took is finished. When ctx
// ends, handlers are cancelled and what is left is cut off. It returns an error if user code still
// runs then. Called again, it only waits.
func (h *Host) Stop(ctx context.Context) error {
	h.state.Lock()
	if !h.stopped {
		h.stopped = true
		h.follow(replica.LastView)
		h.tellAll(replica.Assigned{Assignment: protocol.Assignment{View: replica.LastView}})
	}
	h.state.Unlock()
	if !h.waitEmpty(ctx) {
		h.cutOff()
	}
	h.lease.stop()
	h.cancel()
	return h.waitTasks()
}

// cutOff ends the replicas that did not end in time.
func (h *Host) cutOff() {
	h.state.Lock()
	h.tellAll(replica.Voided{})
	h.state.Unlock()
	for _, s := range h.all() {
		s.mu.Lock()
		if s.run != nil {
			s.run.cancel(ErrStopped)
		}
		s.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.StopTimeout+2*graceTime)
	defer cancel()
	h.waitEmpty(ctx)
}

func (h *Host) waitEmpty(ctx context.Context) bool {
	for {
		if len(h.all()) == 0 {
			return true
		}
		select {
		case <-h.empty:
		case <-ctx.Done():
			return false
		}
	}
}

func (h *Host) waitTasks() error {
	ctx, cancel := context.WithTimeout(context.Background(), graceTime)
	defer cancel()
	if n := h.tasks.wait(ctx); n > 0 {
		return fmt.Errorf("stop replicas: %d goroutines of workers ignore that their context is cancelled and were abandoned; the log names their children", n)
	}
	return nil
}
