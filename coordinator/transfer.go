package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/phub-io/phub/coordinator/view"
)

// begin works over a session from now on.
func (l *loop) begin(s Session) {
	l.session, l.to, l.over, l.ending = s, nil, &sync.WaitGroup{}, nil
	if l.turns == nil {
		l.turns = make(chan func() bool)
	}
	if t, ok := s.(Transferable); ok {
		l.ending = t.Ending()
	}
}

// turn has the loop do something between two steps.
func (l *loop) turn(do func() bool) {
	select {
	case l.turns <- do:
	case <-l.ctx.Done():
	}
}

// transfer opens a session beside the present one, which is going to end, and has the machine go there. Until that worked, or the
// present one has ended, it tries again: all servers may be busy with the same.
func (l *loop) transfer() {
	from := l.session.(Transferable)
	l.ending = nil
	l.c.cfg.Logger.Info("the NATS server is going to close this node's connection: opening another one", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node)
	l.ops.Go(func() {
		for wait := retryFirst; ; wait = min(2*wait, retryMost) {
			s, err := from.Beside(l.ctx, (*handler)(l))
			if err == nil {
				l.besides(s)
				return
			}
			l.c.cfg.Logger.Debug("open a second connection", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node, "error", err)
			if !l.c.pause(l.ctx, wait) {
				return
			}
		}
	})
}

// besides gives the loop the second session. As long as it is the second one, its end is that of both.
func (l *loop) besides(s Session) {
	l.turn(func() bool {
		l.to = s
		l.step(view.Beside{Conn: s.Conn()})
		return true
	})
	select {
	case <-s.Done():
		l.turn(func() bool { return l.to != s })
	case <-l.ctx.Done():
	}
}

// carryMost is how long the running side may take to change its connection.
const carryMost = 30 * time.Second

func (l *loop) carry() {
	from := l.session.(Transferable)
	l.ops.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, carryMost)
		defer cancel()
		err := from.Carry(ctx)
		l.turn(func() bool {
			if err != nil {
				l.c.cfg.Logger.Warn("take requests over another connection", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node, "error", err)
				return false
			}
			l.step(view.Carried{})
			return true
		})
	})
}

// retire goes on over the second session. What is under way over the first one ends there; it hears nothing as the coordinator any
// more before the second one does, so that nobody is heard twice.
func (l *loop) retire() {
	from, over := l.session.(Transferable), l.over
	from.Part()
	l.begin(l.to)
	l.lead(from, false)
	deaf := l.leads
	l.ops.Go(func() {
		over.Wait()
		<-deaf
		from.Retire(l.ctx)
	})
	l.c.cfg.Logger.Info("works over another connection", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node, "server", l.session.Conn().Server)
}
