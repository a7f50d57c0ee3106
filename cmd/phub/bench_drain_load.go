package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// plainLoad sends plain requests at a steady rate, to one child after the other, and notes what came of each. None is sent
// again. A reply subject ends with the request's number, so a second answer shows that a request was handled twice.
type plainLoad struct {
	nc       *nats.Conn
	children []string
	subjects []string
	inbox    string
	began    time.Time
	stop     chan struct{}
	ended    chan struct{}

	mu    sync.Mutex
	sent  []plainRequest
	err   error
	check activeCheck
}

// plainRequest is what became of one. Times are since the load began.
type plainRequest struct {
	at, answered time.Duration
	answers      int
	failed       bool
	floor        uint64
}

const (
	plainStep = 2 * time.Millisecond // between two looks at how many are due
	plainLost = 5 * time.Second      // after which one counts as lost
)

func (b *benchDrain) newLoad() (*plainLoad, error) {
	nc, err := b.connect(b.server(0))
	if err != nil {
		return nil, err
	}
	l := &plainLoad{nc: nc, inbox: nc.NewInbox(), began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{}), check: newActiveCheck()}
	for i := range b.children {
		child := fmt.Sprintf("child%d", i+1)
		l.children = append(l.children, child)
		l.subjects = append(l.subjects, protocol.SubjectsOf(b.hub).Request(child))
	}
	if _, err = nc.Subscribe(l.inbox+".*", l.answer); err == nil {
		err = nc.FlushTimeout(trialPatience)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return l, nil
}

// now is the time since the load began.
func (l *plainLoad) now() time.Duration { return time.Since(l.began) }

// run sends until end is called.
func (l *plainLoad) run(rate int) {
	defer close(l.ended)
	tick := time.NewTicker(plainStep)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		for due := int(l.now().Seconds() * float64(rate)); n < due; n++ {
			if err := l.ask(n); err != nil {
				l.err = err
				return
			}
		}
	}
}

func (l *plainLoad) ask(n int) error {
	i := n % len(l.subjects)
	l.mu.Lock()
	l.sent = append(l.sent, plainRequest{at: l.now(), floor: l.check.sent(l.children[i])})
	l.mu.Unlock()
	return l.nc.PublishRequest(l.subjects[i], l.inbox+"."+strconv.Itoa(n), []byte("x"))
}

func (l *plainLoad) answer(m *nats.Msg) {
	now := l.now()
	n, err := strconv.Atoi(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || n < 0 || n >= len(l.sent) {
		return
	}
	r := &l.sent[n]
	if r.answers++; r.answers > 1 {
		return
	}
	r.answered = now
	node := m.Header.Get(protocol.HeaderNode)
	epoch, err := strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64)
	if r.failed = err != nil || node == "" || m.Header.Get(protocol.HeaderErrorCode) != ""; !r.failed {
		l.check.received(l.children[n%len(l.children)], r.floor, node, epoch)
	}
}

// end sends no more, and waits for the answers that are still to come.
func (l *plainLoad) end() error {
	close(l.stop)
	<-l.ended
	for began := time.Now(); l.open() > 0 && time.Since(began) < plainLost; {
		time.Sleep(plainStep)
	}
	return l.err
}

func (l *plainLoad) open() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.sent {
		if l.sent[i].answers == 0 {
			n++
		}
	}
	return n
}

// between describes the requests that were sent from one instant to another.
func (l *plainLoad) between(from, to time.Duration) (f plainFigure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []time.Duration
	for _, r := range l.sent {
		if r.at < from || r.at > to {
			continue
		}
		f.Requests++
		switch {
		case r.answers == 0:
			f.Lost++
			continue
		case r.failed:
			f.Failed++
		}
		if r.answers > 1 {
			f.Twice++
		}
		took = append(took, r.answered-r.at)
	}
	if slices.Sort(took); len(took) > 0 {
		f.P50, f.P99, f.Longest = millis(took[len(took)/2]), millis(took[len(took)*99/100]), millis(took[len(took)-1])
	}
	return f
}
