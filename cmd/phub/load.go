package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub"
)

// The pace of the demo's requests.
const (
	loadEvery    = 5 * time.Millisecond // for each child
	burstEvery   = time.Millisecond     // for the child whose takeover is measured
	loadTimeout  = 10 * time.Second
	loadPerTry   = 200 * time.Millisecond
	loadUnderWay = 20 // of one sender: when so many wait for their answer, further ones wait to be sent
)

// load sends requests to children all the time and judges the replies.
type load struct {
	client  *phub.Client
	cancel  context.CancelFunc
	ctx     context.Context // ends when no more requests are to be sent
	senders sync.WaitGroup
	flying  sync.WaitGroup
	number  atomic.Uint64

	mu                        sync.Mutex
	check                     activeCheck
	requests, failed, retried int
	err                       error // the first
	waiters                   map[string]waiter
}

// waiter waits for the first answer of a child that comes from another node.
type waiter struct {
	not string
	ch  chan answer
}

// answer says who answered, when.
type answer struct {
	node  string
	epoch uint64
	at    time.Time
}

func startLoad(client *phub.Client, children []string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{
		client: client, ctx: ctx, cancel: cancel,
		check: newActiveCheck(), waiters: map[string]waiter{},
	}
	for _, child := range children {
		l.senders.Go(func() { l.send(ctx, child, loadEvery) })
	}
	return l
}

// send sends a request every so often until ctx ends. It does not wait for answers, unless many are
// missing: retries of ever more requests would only keep servers and nodes from recovering.
func (l *load) send(ctx context.Context, child string, every time.Duration) {
	slots := make(chan struct{}, loadUnderWay)
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		select {
		case <-ctx.Done():
			return
		case slots <- struct{}{}:
			l.flying.Go(func() {
				defer func() { <-slots }()
				l.request(child)
			})
		}
	}
}

// request sends one request and notes what came of it.
func (l *load) request(child string) {
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	l.mu.Lock()
	floor := l.check.sent(child)
	l.mu.Unlock()
	payload := fmt.Appendf(nil, "request %d", l.number.Add(1))
	reply, err := l.client.Request(ctx, child, payload, phub.Idempotent(), phub.PerTry(loadPerTry))
	l.note(child, floor, reply, err)
}

func (l *load) note(child string, floor uint64, reply *phub.Reply, err error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if err != nil {
		l.noteError(err)
		return
	}
	l.retried += min(reply.Retries, 1)
	l.check.received(child, floor, reply.Node, reply.Epoch)
	if w, ok := l.waiters[child]; ok && reply.Node != w.not {
		delete(l.waiters, child)
		w.ch <- answer{reply.Node, reply.Epoch, now}
	}
}

func (l *load) noteError(err error) {
	l.failed++
	if l.err == nil {
		l.err = err
	}
	if request, ok := errors.AsType[*phub.RequestError](err); ok {
		l.retried += min(request.Retries, 1)
	}
}

// await returns a channel that receives the first answer of child from another node than not.
func (l *load) await(child, not string) <-chan answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := waiter{not, make(chan answer, 1)}
	l.waiters[child] = w
	return w.ch
}

// burst sends requests to child at the pace of the measurement, until the returned function is called.
func (l *load) burst(child string) (stop func()) {
	ctx, cancel := context.WithCancel(l.ctx)
	l.senders.Go(func() { l.send(ctx, child, burstEvery) })
	return cancel
}

// stop sends no more and waits for the answers to what was sent. It may be called repeatedly.
func (l *load) stop() {
	l.cancel()
	l.senders.Wait()
	l.flying.Wait()
}

func (l *load) counts() (requests, failed, retried, dual int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests, l.failed, l.retried, l.check.dual
}

// firstError returns what went wrong first, as the end of a sentence.
func (l *load) firstError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return ""
	}
	return "; the first error: " + l.err.Error()
}
