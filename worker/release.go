package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

const (
	// answerWithin is how long a release is waited for before the answer names what is let go so far.
	answerWithin = 250 * time.Millisecond
	// maxReleases is how many requests for release may be under way, and maxReleased how many children they may
	// name, all in all. Others are dropped: a successor asks again.
	maxReleases = 1024
	maxReleased = 100_000
)

// releases counts the requests for release that are under way.
type releases struct {
	mu                 sync.Mutex
	requests, children int
}

// enter reports whether there is room for one more, with n children. Who entered must leave.
func (r *releases) enter(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests >= maxReleases || r.children+n > maxReleased {
		return false
	}
	r.requests++
	r.children += n
	return true
}

func (r *releases) leave(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests--
	r.children -= n
}

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
	ctx, cancel := context.WithTimeout(l.ctx, answerWithin)
	defer cancel()
	w := &releasing{done: make(chan struct{})}
	w.left.Store(1) // this loop itself
	h.letGoOf(ctx, r, w)
	w.letGo()
	select {
	case <-w.done:
	case <-ctx.Done():
	}
	released := h.released(r)
	answer(protocol.ReleaseAnswer{V: 1, Node: h.cfg.Node, ID: h.peers.own(), To: r.ID, Number: r.Number, Released: released})
}

// letGoOf lets go of each child once this node follows the view by which it is asked to, and if that view has who asks: it may be
// a newcomer, of whom this node has not heard yet.
func (h *Host) letGoOf(ctx context.Context, r protocol.ReleaseRequest, w *releasing) {
	for children := r.Children; ; {
		news := h.news()
		member := h.peers.is(r.From, r.ID)
		var rest []protocol.Release
		for _, c := range children {
			if !member && !h.follows(c.View) || member && !h.releaseOne(c, w) {
				rest = append(rest, c)
			}
		}
		if len(rest) == 0 {
			return
		}
		children = rest
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// releaseOne lets go of a child if the entry that this node knows of it says so, or a newer one. It returns false while
// the view by which it is asked to is one that this node does not follow yet: anybody can name a view, and a
// child that was let go of by one that never comes would be served by nobody.
func (h *Host) releaseOne(c protocol.Release, w *releasing) bool {
	followed := h.follows(c.View)
	if protocol.ValidateChild(c.Child) != nil {
		return true
	}
	h.with(c.Child, false, func(s *slot) {
		if s.m.View() < c.View {
			return // no entry of that view is known, or there is none
		}
		followed = true
		s.stepLocked(replica.ReleaseAsked{View: c.View})
		if !s.m.LetGo() && s.m.Role() == replica.Draining {
			w.left.Add(1)
			s.onLetGo = append(s.onLetGo, w.letGo)
		}
	})
	return followed
}

// released returns which of the children are served no more, and never will be by an older entry: this node follows the
// view by which it was asked, and what it is assigned after that is newer.
func (h *Host) released(r protocol.ReleaseRequest) []string {
	if !h.peers.is(r.From, r.ID) {
		h.cfg.Refused.Count(protocol.ReasonMessage)
		return nil
	}
	out := make([]string, 0, len(r.Children))
	for _, c := range r.Children {
		ok := h.follows(c.View)
		h.with(c.Child, false, func(s *slot) { ok = s.m.LetGo() && (ok || s.m.View() >= c.View) })
		if ok {
			out = append(out, c.Child)
		}
	}
	if h.cfg.Now() >= h.lease.Until() {
		return nil
	}
	return out
}

// follows reports whether all that a view means for this node's replicas has been assigned to them.
func (h *Host) follows(view uint64) bool { return h.seen.Load() >= view }

// news returns a channel that is closed when the next view has been assigned.
func (h *Host) news() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.assigned == nil {
		h.assigned = make(chan struct{})
	}
	return h.assigned
}

// follow notes that a view has been assigned to the end.
func (h *Host) follow(view uint64) {
	h.seen.Store(max(h.seen.Load(), view))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.assigned != nil {
		close(h.assigned)
		h.assigned = nil
	}
}
