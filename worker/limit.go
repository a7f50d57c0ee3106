package worker

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// limit is for how long one handler may run.
type limit struct {
	timer *time.Timer
	ended atomic.Bool // by the handler's end or by the timer, whichever came first
}

// limited begins the limit of a handler, if the child has one.
func (s *slot) limited(j *job) *limit {
	d := j.max
	if d <= 0 {
		return nil
	}
	l, late := &limit{}, *j
	l.timer = time.AfterFunc(d, func() {
		if l.ended.CompareAndSwap(false, true) {
			s.overran(&late, d)
		}
	})
	return l
}

// over says that the handler has ended, and reports whether it did so in time.
func (l *limit) over() bool {
	if l == nil {
		return true
	}
	l.timer.Stop()
	return l.ended.CompareAndSwap(false, true)
}

// overran answers for a handler that still runs, and has its replica fail.
func (s *slot) overran(j *job, d time.Duration) {
	text := fmt.Sprintf("a handler ran longer than %v, the child's handler_limit", d)
	s.h.cfg.Logger.Error("a handler ran longer than its limit; its replica has failed", "child", s.child, "limit", d.String())
	s.h.fail(j.in, j.run.header(j.epoch), protocol.CodeCancelled, protocol.CauseLimit,
		"its effect is unknown: on "+s.h.cfg.Node+", "+text+"; the replica is being restarted")
	j.tenure.cancel(ErrHandlerLimit)
	j.run.cancel(ErrFailed)
	s.step(replica.Ended{Run: j.run.id, Err: text})
}
