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

// probe asks children until each has answered from elsewhere.
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
	pacer *pacer
	check activeCheck
}

// probePause is the time between two looks at which children to ask.
const probePause = time.Millisecond

func (b *bench) newProbe(victim string, children []string) (*probe, error) {
	p := &probe{b: b, victim: victim, children: children, inbox: b.nc.NewInbox(), at: make([]time.Duration, len(children)), left: len(children), pacer: newPacer(len(children)), check: newActiveCheck()}
	var err error
	p.sub, err = b.nc.Subscribe(p.inbox+".*", p.answer)
	return p, err
}

func (p *probe) stop() { _ = p.sub.Unsubscribe() } // fails only on a closed connection

// answer takes a reply. Those of the victim from before the strike prove nothing.
func (p *probe) answer(m *nats.Msg) {
	i, err := strconv.Atoi(subjectToken(m.Subject))
	if err != nil || i < 0 || i >= len(p.at) {
		return
	}
	node := m.Header.Get(protocol.HeaderNode)
	epoch, err := strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64)
	p.mu.Lock()
	defer p.mu.Unlock()
	if node == "" || m.Header.Get(protocol.HeaderErrorCode) != "" || err != nil {
		p.pacer.refused(i)
		return
	}
	p.check.received(p.children[i], 0, node, epoch)
	switch {
	case node == p.victim:
		p.pacer.refused(i)
	case p.at[i] == 0:
		p.at[i] = time.Since(p.strike)
		p.left--
		p.pacer.answered(i)
	}
}

// calm waits until a child answers from the victim: all is as it was found.
func (p *probe) calm(ctx context.Context) error {
	_, err := p.b.client.Request(ctx, p.children[0], nil)
	return err
}

// until asks all children that have not answered.
func (p *probe) until(ctx context.Context, limit time.Duration) error {
	for {
		ask, left, blind := p.next()
		switch {
		case left == 0:
			return nil
		case time.Since(p.strike) > limit:
			return fmt.Errorf("%d of %d children did not answer from another node within %v", left, len(p.children), limit)
		}
		for _, i := range ask {
			if err := p.b.nc.PublishRequest("phub."+p.b.hub+".req."+p.children[i], p.inbox+"."+strconv.Itoa(i), []byte("ping")); err != nil {
				return err
			}
		}
		if blind {
			if err := p.b.nc.FlushTimeout(limit); err != nil {
				return err
			}
		}
		if !pause(ctx, probePause) {
			return stopped(ctx)
		}
	}
}

// next returns whom to ask now, and whether nothing yet tells how fast answers come.
func (p *probe) next() (ask []int, left int, blind bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pacer.next(time.Since(p.strike)), p.left, !p.pacer.first
}

func (p *probe) took() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

func subjectToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }
