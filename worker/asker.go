package worker

import (
	"context"
	"sync"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

const (
	askSize    = 500 // children in one request for release
	askBytes   = 160 // that one of them takes there at most
	askCalls   = 8   // at once
	askTimeout = time.Second
	askPause   = 50 * time.Millisecond
	askLongest = 250 * time.Millisecond
)

// asker asks other nodes to let go of children, for as long as replicas here wait for that. There is
// a goroutine for each node that is asked at the moment.
type asker struct {
	h *Host

	mu    sync.Mutex
	nodes map[string]map[*slot]asked // whom to ask, for what
}

// asked is what a replica waits for: the view by which it asks, and since when requests arrive here too.
type asked struct {
	view uint64
	at   time.Time
}

// add asks node to let go. The slot's lock is held.
func (a *asker) add(s *slot, node string, view uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slots, runs := a.nodes[node]
	if !runs {
		slots = map[*slot]asked{}
		a.nodes[node] = slots
		a.h.tasks.spawn(func() { a.run(node) })
	}
	slots[s] = asked{view, time.Now()}
}

// run asks one node until nothing waits for it any more.
func (a *asker) run(node string) {
	for pause := askPause; ; {
		asks := a.pending(node)
		if len(asks) == 0 {
			return
		}
		ready, soon := a.ready(asks)
		if len(ready) > 0 {
			a.round(node, ready)
		}
		if !a.more(node) {
			continue
		}
		wait := pause
		if soon > 0 {
			wait = min(wait, soon)
		} else {
			pause = min(2*pause, askLongest)
		}
		select {
		case <-time.After(wait):
		case <-a.h.ctx.Done():
		}
	}
}

// ready returns the asks of those whose subscription is known to all servers by now, and how long it takes until more are; 0
// if these are all. Let go earlier, a server could know of no subscription at all for a moment: neither of the new one yet, nor
// of the old one any more.
func (a *asker) ready(asks []ask) (ready []ask, soon time.Duration) {
	l := a.h.link.Load()
	if l == nil {
		return nil, 0
	}
	now, spread := time.Now(), l.t.Spread()
	for _, k := range asks {
		if left := k.at.Add(spread).Sub(now); left <= 0 {
			ready = append(ready, k)
		} else if soon == 0 || left < soon {
			soon = left
		}
	}
	return ready, soon
}

type ask struct {
	s *slot
	asked
}

// pending returns what is still waited for; when it is nothing, the goroutine's end is noted.
func (a *asker) pending(node string) []ask {
	for {
		asks := a.snapshot(node)
		kept := asks[:0]
		for _, k := range asks {
			if k.waits(node) {
				kept = append(kept, k)
			} else {
				a.drop(node, k)
			}
		}
		if len(kept) > 0 && a.h.ctx.Err() == nil {
			return kept
		}
		if a.finish(node, a.h.ctx.Err() != nil) {
			return nil
		}
	}
}

func (k ask) waits(node string) bool {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return k.s.m.Waits(node, k.view)
}

func (a *asker) snapshot(node string) []ask {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]ask, 0, len(a.nodes[node]))
	for s, k := range a.nodes[node] {
		out = append(out, ask{s, k})
	}
	return out
}

func (a *asker) drop(node string, k ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nodes[node][k.s] == k.asked {
		delete(a.nodes[node], k.s)
	}
}

func (a *asker) more(node string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.nodes[node]) > 0
}

// finish ends the node's goroutine if nothing was added meanwhile.
func (a *asker) finish(node string, always bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.nodes[node]) > 0 && !always {
		return false
	}
	delete(a.nodes, node)
	return true
}

// round asks once for everything.
func (a *asker) round(node string, asks []ask) {
	var wg sync.WaitGroup
	room := make(chan struct{}, askCalls)
	most := min(askSize, max(a.h.maxPayload()/2/askBytes, 1))
	for len(asks) > 0 {
		part := asks[:min(most, len(asks))]
		asks = asks[len(part):]
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			a.call(node, part)
		})
	}
	wg.Wait()
}

func (a *asker) call(node string, asks []ask) {
	l := a.h.link.Load()
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, askTimeout)
	defer cancel()
	req := protocol.ReleaseRequest{V: 1, From: a.h.cfg.Node, ID: a.h.peers.own(), Number: a.h.peers.asks.Add(1)}
	byName := make(map[string]ask, len(asks))
	for _, k := range asks {
		req.Children = append(req.Children, protocol.Release{Child: k.s.child, View: k.view})
		byName[k.s.child] = k
	}
	answer, err := l.t.AskRelease(ctx, node, req)
	if err != nil {
		a.h.cfg.Logger.Debug("a release was not answered; asking again", "node", node, "children", len(asks), "error", err)
		return
	}
	if answer.Node != node || !a.h.peers.is(node, answer.ID) {
		a.h.cfg.Refused.Count(protocol.ReasonMessage)
		a.h.cfg.Logger.Debug("a release was answered by another incarnation and is not taken", "asked", node, "answered", answer.Node, "incarnation", answer.ID)
		return
	}
	for _, name := range answer.Released {
		if k, ok := byName[name]; ok {
			a.drop(node, k)
			k.s.step(replica.Released{Node: node, View: k.view})
		}
	}
}
