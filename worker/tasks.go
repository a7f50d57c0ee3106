package worker

import (
	"context"
	"sync/atomic"
)

// tasks counts goroutines, so that their end can be waited for. Unlike a sync.WaitGroup it may be
// waited for with a context, and grow while somebody waits.
type tasks struct {
	n    atomic.Int64
	none chan struct{} // room for one: there were none at some moment
}

func newTasks() *tasks { return &tasks{none: make(chan struct{}, 1)} }

func (t *tasks) spawn(f func()) {
	t.n.Add(1)
	go func() {
		defer t.done()
		f()
	}()
}

func (t *tasks) done() {
	if t.n.Add(-1) == 0 {
		select {
		case t.none <- struct{}{}:
		default:
		}
	}
}

// wait returns the number of goroutines that still ran when ctx ended: none, as a rule.
func (t *tasks) wait(ctx context.Context) int64 {
	for t.n.Load() > 0 {
		select {
		case <-t.none:
		case <-ctx.Done():
			return t.n.Load()
		}
	}
	return 0
}
