package worker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// graceTime is for how long what was cancelled is waited for at the end.
const graceTime = time.Second

// lease is until when this node may trust itself. The instant is read at each request; the timer is
// for what must be told and cancelled when it comes.
type lease struct {
	h     *Host
	until atomic.Int64
	ended atomic.Int64 // when trust ended; 0 while there is some, or never was any

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// Until returns the instant on the clock of Config.Now; it is the machines' port.
func (l *lease) Until() int64 { return l.until.Load() }

// Trusts reports whether this node may serve now.
func (h *Host) Trusts() bool { return h.cfg.Now() < h.lease.Until() }

// refusalTime is for how long after the end of trust nobody else can be active: others wait for
// protocol.Margin longer, of which a tenth of the lease may be eaten up by clocks.
const refusalTime = int64(25 * time.Millisecond)

// over reports whether trust ended so long ago that another node may be active. A process that was
// stopped finds the end in the past before its timer has told it.
func (l *lease) over(now int64) bool {
	ended := l.ended.Load()
	if until := l.until.Load(); ended == 0 && until != 0 {
		ended = until
	}
	return ended != 0 && now-ended > refusalTime
}

// arm has expired called at that instant or soon after. Renewals come often: a timer that is set for
// an earlier instant sees the later one when it fires.
func (l *lease) arm(until int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	d := time.Duration(until - l.h.cfg.Now())
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.h.expired)
		return
	}
	l.timer.Reset(d)
}

func (l *lease) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// Trust gives the instant, on the clock of Config.Now, until which this node may serve; zero: not at
// all. When it comes, all is passive, running handlers are cancelled with ErrLeaseLost, and the
// workers are told. When trust returns, they are what they were, in the same epoch.
func (h *Host) Trust(until int64, reason string) {
	h.state.Lock()
	defer h.state.Unlock()
	if h.link.Load() == nil {
		until = 0 // what was granted over a connection that is gone
	}
	before := h.lease.until.Swap(until)
	switch now := h.cfg.Now(); {
	case until <= now:
		h.distrust(reason, min(now, before))
	case !h.trusted:
		h.trusted = true
		h.lease.ended.Store(0)
		h.lease.arm(until)
		h.tellAll(replica.TrustGained{})
	case until < before:
		h.lease.arm(until)
	case before <= now: // it ran out, no timer has told so yet, and active work may have ended
		h.tellAll(replica.Tick{})
	}
}

// distrust makes all passive; at is when trust ended. Somebody should look at it, unless the node is leaving.
// state is held for writing.
func (h *Host) distrust(reason string, at int64) {
	if !h.trusted {
		return
	}
	h.trusted = false
	h.lease.ended.Store(max(at, 1))
	level := slog.LevelWarn
	if reason == string(protocol.Left) {
		level = slog.LevelDebug
	}
	h.cfg.Logger.Log(context.Background(), level, "the node does not trust itself any more; its replicas are passive", "node", h.cfg.Node, "reason", reason)
	h.tellAll(replica.TrustLost{Reason: reason})
}

// expired is the timer's.
func (h *Host) expired() {
	h.state.Lock()
	defer h.state.Unlock()
	until := h.lease.until.Load()
	if h.cfg.Now() < until {
		h.lease.arm(until)
		return
	}
	h.distrust("the lease ran out", until)
}
