package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// asker asks subjects until each has given the answer that is waited for. A request's payload is the
// subject's number and a mark, and an answer must repeat it.
type asker struct {
	nc       *nats.Conn
	subjects []string
	mark     func(i int) uint64                         // called when a subject is asked
	accept   func(i int, mark uint64, m *nats.Msg) bool // whether it is the answer that is waited for; neither is called twice at a time
	inbox    string
	sub      *nats.Subscription
	began    time.Time // set before until

	mu    sync.Mutex
	at    []time.Duration // since began, of each subject's answer
	left  int
	pacer *pacer
	// NATS finds the way of a reply the sooner the fewer reply subjects there are: by each of these the
	// subject was asked that is noted here.
	replies [mostWindow]int
	reply   int
}

// askPause is the time between two looks at which subjects to ask.
const askPause = time.Millisecond

func newAsker(nc *nats.Conn, subjects []string, mark func(int) uint64, accept func(int, uint64, *nats.Msg) bool) (*asker, error) {
	n := len(subjects)
	a := &asker{nc: nc, subjects: subjects, mark: mark, accept: accept, inbox: nc.NewInbox(), at: make([]time.Duration, n), left: n, pacer: newPacer(n)}
	var err error
	a.sub, err = nc.Subscribe(a.inbox+".*", a.answer)
	return a, err
}

func (a *asker) stop() { _ = a.sub.Unsubscribe() } // fails only on a closed connection

// answer takes a reply. One that does not say what it answers is a refusal.
func (a *asker) answer(m *nats.Msg) {
	reply, err := strconv.Atoi(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
	if err != nil || reply < 0 || reply >= len(a.replies) {
		return
	}
	number, rest, _ := strings.Cut(string(m.Data), " ")
	i, err := strconv.Atoi(number)
	mark, markErr := strconv.ParseUint(rest, 10, 64)
	answers := err == nil && markErr == nil && i >= 0 && i < len(a.at)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !answers || !a.accept(i, mark, m) {
		a.pacer.refused(a.replies[reply])
		return
	}
	if a.at[i] == 0 {
		a.at[i] = time.Since(a.began)
		a.left--
		a.pacer.answered(i)
	}
}

// until asks all subjects that have not answered.
func (a *asker) until(ctx context.Context, limit time.Duration) error {
	for {
		ask, left := a.next()
		switch {
		case left == 0:
			return nil
		case time.Since(a.began) > limit:
			return fmt.Errorf("%d of %d did not answer within %v", left, len(a.subjects), limit)
		}
		for _, i := range ask {
			if err := a.ask(i); err != nil {
				return err
			}
		}
		if !pause(ctx, askPause) {
			return stopped(ctx)
		}
	}
}

func (a *asker) next() (ask []int, left int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pacer.next(time.Since(a.began)), a.left
}

func (a *asker) ask(i int) error {
	a.mu.Lock()
	a.reply = (a.reply + 1) % len(a.replies)
	reply := a.reply
	a.replies[reply] = i
	mark := a.mark(i)
	a.mu.Unlock()
	return a.nc.PublishRequest(a.subjects[i], a.inbox+"."+strconv.Itoa(reply), fmt.Appendf(nil, "%d %d", i, mark))
}

// goOn asks all subjects in turns for some time, whether they have answered or not.
func (a *asker) goOn(ctx context.Context, d time.Duration) error {
	for i, end := 0, time.Now().Add(d); time.Now().Before(end); i++ {
		if err := a.ask(i % len(a.subjects)); err != nil {
			return err
		}
		if !pause(ctx, askPause) {
			return stopped(ctx)
		}
	}
	return nil
}

// first and last return when the first and the last subject answered.
func (a *asker) first() time.Duration { return slices.Min(a.took()) }

func (a *asker) last() time.Duration { return slices.Max(a.took()) }

func (a *asker) took() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.at)
}
