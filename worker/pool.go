package worker

import (
	"runtime"
	"sync/atomic"
)

// pool has the goroutines that empty mailboxes. A few of them wait for more when there is nothing to
// do: their stacks have grown already, which makes up most of what a new goroutine costs here. How
// many those are does not depend on the number of replicas.
type pool struct {
	h    *Host
	work chan shift
	idle atomic.Int32
	keep int32
}

// shift is the emptying of one mailbox until nothing is left.
type shift struct {
	s *slot
	n int
}

func newPool(h *Host) *pool {
	return &pool{h: h, work: make(chan shift), keep: int32(4 * runtime.GOMAXPROCS(0))}
}

func (p *pool) run(w shift) {
	select {
	case p.work <- w:
	default:
		p.h.tasks.spawn(func() { p.loop(w) })
	}
}

func (p *pool) loop(w shift) {
	for {
		w.s.empty(w.n)
		if p.idle.Add(1) > p.keep {
			p.idle.Add(-1)
			return
		}
		select {
		case w = <-p.work:
			p.idle.Add(-1)
		case <-p.h.ctx.Done():
			return
		}
	}
}
