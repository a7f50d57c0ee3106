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

	"github.com/phub-io/phub/protocol"
)

// probe asks children without a pause, some at a time, until each has answered from elsewhere.
type probe struct {
	b        *bench
	victim   string
	children []string
	inbox    string
	sub      *nats.Subscription
	strike   time.Time

	mu    sync.Mutex
	at    []time.Duration // since the strike, of each child's first answer from elsewhere
	left  int
	check activeCheck
}

// firstWindow is how many requests are sent at a time until the first child has answered from elsewhere,
// probeWindow how many from then on, and probePause the pause after them. More at first would only take
// the processor from those who are measured.
const (
	firstWindow = 10
	probeWindow = 500
	probePause  = time.Millisecond
)

func (b *bench) newProbe(victim string, children []string) (*probe, error) {
	p := &probe{b: b, victim: victim, children: children, inbox: b.nc.NewInbox(), at: make([]time.Duration, len(children)), left: len(children), check: newActiveCheck()}
	var err error
	p.sub, err = b.nc.Subscribe(p.inbox+".*", p.answer)
	return p, err
}

func (p *probe) stop() { _ = p.sub.Unsubscribe() } // fails only on a closed connection

// answer takes a reply. Those of the victim from before the strike prove nothing.
func (p *probe) answer(m *nats.Msg) {
	node := m.Header.Get(protocol.HeaderNode)
	if node == "" || m.Header.Get(protocol.HeaderErrorCode) != "" {
		return
	}
	i, err := strconv.Atoi(subjectToken(m.Subject))
	if err != nil || i < 0 || i >= len(p.at) {
		return
	}
	epoch, err := strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.check.received(p.children[i], 0, node, epoch)
	if node != p.victim && p.at[i] == 0 {
		p.at[i] = time.Since(p.strike)
		p.left--
	}
}

// calm waits until a child answers from the victim: all is as it was found.
func (p *probe) calm(ctx context.Context) error {
	_, err := p.b.client.Request(ctx, p.children[0], nil)
	return err
}

// until asks all children that have not answered, in turns.
func (p *probe) until(ctx context.Context, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	next := 0
	for time.Now().Before(deadline) {
		open, left := p.open(next)
		if left == 0 {
			return nil
		}
		for _, i := range open {
			next = i + 1
			if err := p.b.nc.PublishRequest("phub."+p.b.hub+".req."+p.children[i], p.inbox+"."+strconv.Itoa(i), []byte("ping")); err != nil {
				return err
			}
		}
		if err := p.b.nc.FlushTimeout(limit); err != nil {
			return err
		}
		if !pause(ctx, probePause) {
			return stopped(ctx)
		}
	}
	_, left := p.open(0)
	return fmt.Errorf("%d of %d children did not answer from another node within %v", left, len(p.children), limit)
}

// open returns the next children that have not answered, from an index on.
func (p *probe) open(from int) (window []int, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := probeWindow
	if p.left == len(p.at) {
		size = firstWindow
	}
	for j := range p.at {
		if i := (from + j) % len(p.at); p.at[i] == 0 && len(window) < size {
			window = append(window, i)
		}
	}
	return window, p.left
}

func (p *probe) took() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

func subjectToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
