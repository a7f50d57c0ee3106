package main

import "time"

// pacer says which children a probe asks next. Whoever asks takes processor time from those who are
// measured, so few are asked at a time until one has answered; from then on as many as answers keep pace
// with, each one again only after a refusal or when its answer must have got lost.
type pacer struct {
	waiting []int           // not asked at this moment, those that have waited longest first
	flight  []asking        // in the order of asking, with those that are over
	asked   []time.Duration // by child: when the request under way was sent; -1 if there is none
	window  int             // requests that may be under way
	under   int             // requests that are
	first   bool            // one has answered
}

type asking struct {
	child int
	at    time.Duration
}

const (
	firstWindow = 4  // until the first answer
	leastWindow = 30 // then
	mostWindow  = 500
	firstLost   = time.Millisecond // a request is taken as lost after this, until the first answer
	laterLost   = 50 * time.Millisecond
)

func newPacer(children int) *pacer {
	p := &pacer{window: firstWindow, waiting: make([]int, children), asked: make([]time.Duration, children)}
	for i := range children {
		p.waiting[i], p.asked[i] = i, -1
	}
	return p
}

// next returns the children to be asked now.
func (p *pacer) next(now time.Duration) []int {
	lost := firstLost
	if p.first {
		lost = laterLost
	}
	for len(p.flight) > 0 {
		a := p.flight[0]
		under := p.asked[a.child] == a.at
		if under && now-a.at < lost {
			break
		}
		if p.flight = p.flight[1:]; under {
			p.over(a.child)
			p.waiting = append(p.waiting, a.child)
		}
	}
	n := min(max(p.window-p.under, 0), len(p.waiting))
	ask := p.waiting[:n:n]
	p.waiting = p.waiting[n:]
	for _, child := range ask {
		p.asked[child] = now
		p.flight = append(p.flight, asking{child, now})
	}
	p.under += n
	return ask
}

// over notes that a child's request is no longer under way. It returns false if none was.
func (p *pacer) over(child int) bool {
	if p.asked[child] < 0 {
		return false
	}
	p.asked[child] = -1
	p.under--
	return true
}

// refused takes that a child's request found nobody who does it: it is asked again.
func (p *pacer) refused(child int) {
	if !p.over(child) {
		return
	}
	p.waiting = append(p.waiting, child)
	if p.first {
		p.window = max(p.window-1, leastWindow)
	}
}

// answered takes a child's answer. It is asked no more.
func (p *pacer) answered(child int) {
	if !p.over(child) { // the answer came late
		for i, c := range p.waiting {
			if c == child {
				p.waiting = append(p.waiting[:i:i], p.waiting[i+1:]...)
				break
			}
		}
	}
	if !p.first {
		p.first, p.window = true, leastWindow
	}
	p.window = min(p.window+2, mostWindow)
}
