package porttest

import (
	"context"
	"sync"
	"sync/atomic"
)

// load is clients that ask all the time, each one request after the other.
type load struct {
	s       *setup
	answers []atomic.Int64 // to each client
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

func (s *setup) startLoad(clients int, subject string) *load {
	l := &load{s: s, answers: make([]atomic.Int64, clients)}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(s.ctx)
	for i := range clients {
		l.wg.Go(func() { l.client(ctx, subject, &l.answers[i]) })
	}
	s.Cleanup(func() { l.end() })
	return l
}

func (l *load) client(ctx context.Context, subject string, answers *atomic.Int64) {
	for ctx.Err() == nil {
		if _, err := l.s.sys.Request(l.s.ctx, subject, nil); err != nil {
			l.s.Errorf("request: %v", err)
			return
		}
		answers.Add(1)
	}
}

// goOn waits until every client has had an answer to a request that it sent from now on.
func (l *load) goOn() {
	l.s.Helper()
	for i := range l.answers {
		want := l.answers[i].Load() + 2 // one may be on its way
		l.s.eventually("clients go on", func() bool { return l.s.Failed() || l.answers[i].Load() >= want })
	}
	if l.s.Failed() {
		l.s.FailNow()
	}
}

// end stops the clients and returns how many answers they had.
func (l *load) end() (sum int64) {
	l.stop()
	l.wg.Wait()
	for i := range l.answers {
		sum += l.answers[i].Load()
	}
	return sum
}
