package worker

import (
	"context"
	"fmt"
	"math"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// link is one attached transport.
type link struct {
	h          *Host
	t          Transport
	conn       uint64
	maxPayload int
	ctx        context.Context // ends when it is detached
	cancel     context.CancelFunc
}

// Attach takes a transport into use: requests arrive over it from now on. It returns what
// Transport.Serve returned, ErrAttached if there is one, or ErrHostStopped.
func (h *Host) Attach(t Transport) error {
	l, err := h.newLink(t)
	if err != nil {
		return err
	}
	if err := t.Serve(l); err != nil {
		h.Detach()
		return fmt.Errorf("serve requests: %w", err)
	}
	h.state.Lock()
	defer h.state.Unlock()
	if h.link.Load() == l {
		h.tellAll(replica.Attached{Conn: l.conn})
	}
	return nil
}

func (h *Host) newLink(t Transport) (*link, error) {
	h.state.Lock()
	defer h.state.Unlock()
	if h.stopped {
		return nil, ErrHostStopped
	}
	if h.link.Load() != nil {
		return nil, ErrAttached
	}
	h.links++
	l := &link{h: h, t: t, conn: h.links, maxPayload: t.MaxPayload()}
	l.ctx, l.cancel = context.WithCancel(h.ctx)
	h.link.Store(l)
	return l, nil
}

// Detach says that the connection is gone. At once nothing is served any more, until there is another
// one and trust given over it. Without a transport it does nothing.
func (h *Host) Detach() {
	h.state.Lock()
	defer h.state.Unlock()
	l := h.link.Swap(nil)
	if l == nil {
		return
	}
	l.cancel()
	h.lease.until.Store(0)
	h.distrust("the connection was lost", h.cfg.Now())
	h.tellAll(replica.Detached{})
}

func (h *Host) maxPayload() int {
	if l := h.link.Load(); l != nil {
		return l.maxPayload
	}
	return math.MaxInt
}

// Request takes a request in: see Handler.
func (l *link) Request(in *Incoming) {
	h := l.h
	if h.link.Load() != l {
		h.refuse(in, "not active: "+h.cfg.Node+" lost the connection over which the request came")
		return
	}
	if s := h.slot(in.Child); s != nil {
		s.arrive(in)
		return
	}
	h.refuse(in, h.noReplica(in.Child))
}

// Refused has a replica given up that can't be reached: see Handler.
func (l *link) Refused(child string, err error) {
	h := l.h
	h.cfg.Logger.Error("NATS refuses the subscription of a replica; it is given up here", "child", child, "error", err)
	if s := h.slot(child); s != nil {
		s.step(replica.Refused{Conn: l.conn, Err: err.Error()})
	}
}

// Release answers a successor: see Handler.
func (l *link) Release(r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	n := len(r.Children)
	if !l.h.asked.enter(n) {
		l.h.cfg.Refused.Count(protocol.ReasonInbox)
		return
	}
	l.h.tasks.spawn(func() {
		defer l.h.asked.leave(n)
		l.h.release(l, r, answer)
	})
}

func (h *Host) noReplica(child string) string {
	return "not active: no replica of " + child + " is on " + h.cfg.Node
}
