package worker

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

const (
	// answerWithin is how long a release is waited for before the answer names what is let go so far.
	answerWithin = 250 * time.Millisecond
	// maxRemembered bounds the children that are remembered only because their release was asked for.
	maxRemembered = 100_000
)

// releasing is one request for release that waits for replicas to finish.
type releasing struct {
	left atomic.Int64
	done chan struct{}
	once sync.Once
}

func (w *releasing) letGo() {
	if w.left.Add(-1) == 0 {
		w.once.Do(func() { close(w.done) })
	}
}

// release lets go of the children and answers which of them are served no more. Only a node that
// trusts itself may say so: what is gone from its name may live on in another process of that name.
func (h *Host) release(l *link, r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	w := &releasing{done: make(chan struct{})}
	w.left.Store(1) // this loop itself
	for _, c := range r.Children {
		h.releaseOne(c, w)
	}
	w.letGo()
	timeout := time.NewTimer(answerWithin)
	defer timeout.Stop()
	select {
	case <-w.done:
	case <-timeout.C:
	case <-l.ctx.Done():
	}
	answer(protocol.ReleaseAnswer{V: 1, Node: h.cfg.Node, Released: h.released(r)})
}

func (h *Host) releaseOne(c protocol.Release, w *releasing) {
	if protocol.ValidateChild(c.Child) != nil {
		return
	}
	h.with(c.Child, h.memory.note(c, h.seen.Load()), func(s *slot) {
		s.stepLocked(replica.ReleaseAsked{View: c.View})
		if !s.m.LetGo() && s.m.Role() == replica.Draining {
			w.left.Add(1)
			s.onLetGo = append(s.onLetGo, w.letGo)
		}
	})
}

// released returns which of the children are served no more, and never will be by an older entry.
func (h *Host) released(r protocol.ReleaseRequest) []string {
	out := make([]string, 0, len(r.Children))
	for _, c := range r.Children {
		ok := h.seen.Load() >= c.View
		h.with(c.Child, false, func(s *slot) { ok = s.m.LetGo() && s.m.MinView() >= c.View })
		if ok {
			out = append(out, c.Child)
		}
	}
	if h.cfg.Now() >= h.lease.Until() {
		return nil
	}
	return out
}

// memory has the children whose release was asked for by a view that this node does not know yet:
// until it does, their slots are kept, so that an older entry never serves again.
type memory struct {
	mu       sync.Mutex
	children map[string]uint64
}

// note reports whether the child's slot must be kept until the view is known.
func (m *memory) note(c protocol.Release, seen uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, had := m.children[c.Child]; c.View <= seen || !had && len(m.children) >= maxRemembered {
		return false
	}
	m.children[c.Child] = max(m.children[c.Child], c.View)
	return true
}

// known returns, once, the children whose views are known now.
func (m *memory) known(seen uint64) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for child, view := range m.children {
		if view <= seen {
			out = append(out, child)
			delete(m.children, child)
		}
	}
	return out
}
