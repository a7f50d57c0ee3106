package view

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"github.com/phub-io/phub/protocol"
)

const (
	defaultWait = 10 * time.Second
	maxWait     = 5 * time.Minute
	// maxAskers is how many requests of one verb may wait at one time.
	maxAskers = 4000
	// maxAwaited is how many children those may name, all in all.
	maxAwaited = 100_000
	// maxLooks is how many children are looked at in one step to see whether a request is done: a step
	// takes a millisecond or so, however many wait.
	maxLooks = 4000
)

// request tells equal requests from others: what it was, and its bytes' hash.
type request struct {
	verb string
	hash [sha256.Size]byte
}

// asker is one who waits, under the number of its request.
type asker struct {
	id      uint64
	until   time.Duration
	patient time.Duration // until then it waits also for what NATS refuses
}

// wait is a request that waits for what it asked for to be done. All who ask the same share it.
type wait struct {
	request request
	askers  []asker
	results []protocol.ChildResult
	begun   []int // indexes of the results that had to be waited for
	waiting []int // of those, which are not final
	goal
}

// goal is what a request waits for, beside what its verb says.
type goal struct {
	node  string                    // where a child is to be active
	specs map[string]*protocol.Spec // what children are to be
}

// waits has the requests that wait. Each verb has bounds of its own: starts that wait keep nobody from
// stopping anything.
type waits struct {
	all  []*wait
	same map[request]*wait // the newest of equal ones
	of   map[string]*waitingVerb
}

// waitingVerb counts what waits of one verb.
type waitingVerb struct{ askers, children int }

func newWaits() waits {
	return waits{same: map[request]*wait{}, of: map[string]*waitingVerb{}}
}

// full says why no more requests of a verb, naming n children, may wait. Nothing was done then.
func (w *waits) full(verb string, n int) *protocol.Problem {
	v := w.verb(verb)
	if v.askers < maxAskers && v.children+n <= maxAwaited {
		return nil
	}
	return &protocol.Problem{
		Code:    protocol.CodeBusy,
		Message: strconv.Itoa(v.askers) + " requests to " + verb + " " + strconv.Itoa(v.children) + " children wait; allowed are " + strconv.Itoa(maxAskers) + " requests and " + strconv.Itoa(maxAwaited) + " children; nothing was done",
		Try:     "again in a moment, or with a shorter wait",
	}
}

func (w *waits) verb(name string) *waitingVerb {
	v := w.of[name]
	if v == nil {
		v = &waitingVerb{}
		w.of[name] = v
	}
	return v
}

// add has an asker wait for results. It shares the wait of those who asked the same, if carrying that out again
// came to the same: what is final then is looked at anew, because it may have changed since.
func (w *waits) add(r request, a asker, g goal, results []protocol.ChildResult) {
	var begun []int
	for i := range results {
		if results[i].Error == nil {
			begun = append(begun, i)
		}
	}
	c := w.same[r]
	if c == nil || !slices.Equal(c.begun, begun) {
		c = &wait{request: r, goal: g}
		w.same[r] = c
		w.all = append(w.all, c)
	} else {
		for i := range results { // it exists because they asked for it
			results[i].Existed = results[i].Existed && c.results[i].Existed
		}
	}
	c.askers = append(c.askers, a)
	c.results, c.begun, c.waiting = results, begun, slices.Clone(begun)
	v := w.verb(r.verb)
	v.askers++
	v.children += len(results)
}

// answered takes askers out of the counts, and the wait, once nobody is left.
func (w *waits) answered(c *wait, n int) {
	v := w.verb(c.request.verb)
	v.askers -= n
	v.children -= n * len(c.results)
	if len(c.askers) == 0 && w.same[c.request] == c {
		delete(w.same, c.request)
	}
}

// wait has a request wait until it is done.
func (m *Machine) wait(e ControlReceived, limit protocol.Duration, g goal, results []protocol.ChildResult) {
	d := limit.Std()
	if d <= 0 {
		d = defaultWait
	}
	r := request{e.Verb, sha256.Sum256(e.Data)}
	m.lead.waits.add(r, asker{e.ID, m.now.Mono + min(d, maxWait), m.now.Mono + min(d, causeWait)}, g, results)
}

// waitsDue answers the requests that are done, or that have waited for long enough. Those that it does not
// come to are the first in the next step.
func (m *Machine) waitsDue() {
	w := &m.lead.waits
	looks, seen := maxLooks, 0
	var kept []*wait
	for _, c := range w.all {
		if looks <= 0 {
			break
		}
		looks -= max(len(c.waiting), 1)
		seen++
		if !m.waitDue(c) {
			kept = append(kept, c)
		}
	}
	m.lead.news = m.lead.news || seen < len(w.all)
	w.all = append(slices.Clone(w.all[seen:]), kept...)
}

// waitDue answers who needs to wait no more, and reports whether nobody waits still.
func (m *Machine) waitDue(c *wait) bool {
	c.waiting = slices.DeleteFunc(c.waiting, func(i int) bool { return m.resultDue(c, &c.results[i], false) })
	if len(c.waiting) == 0 {
		done := c.askers
		c.askers = nil
		m.answerAskers(c, done, c.results)
	} else if late := c.late(m.now.Mono); len(late) > 0 {
		results := slices.Clone(c.results) // others wait on
		// A try takes seconds where NATS is silent: one that failed is cause enough for who has waited for long.
		cause := m.standing(func(*trouble) bool { return true }, protocol.ChildrenBucket, protocol.PlacementBucket)
		for _, i := range c.waiting {
			if m.resultDue(c, &results[i], true); cause != "" {
				results[i].Error = c.unknown(results[i].Child, cause)
			}
		}
		m.answerAskers(c, late, results)
	}
	return len(c.askers) == 0
}

// late takes out those who have waited for long enough.
func (c *wait) late(now time.Duration) []asker {
	var late []asker
	c.askers = slices.DeleteFunc(c.askers, func(a asker) bool {
		if now >= a.until {
			late = append(late, a)
		}
		return now >= a.until
	})
	return late
}

func (m *Machine) answerAskers(c *wait, askers []asker, results []protocol.ChildResult) {
	a := AnswerControl{IDs: make([]uint64, len(askers))}
	for i := range askers {
		a.IDs[i] = askers[i].id
	}
	results = fit(results)
	switch c.request.verb {
	case protocol.VerbStart:
		a.Value = protocol.StartResponse{Results: results}
	case protocol.VerbUpdate:
		a.Value = protocol.UpdateResponse{Results: results}
	case protocol.VerbStop:
		a.Value = protocol.StopResponse{Results: results}
	default:
		a.Value = results[0]
	}
	m.do(a)
	m.lead.waits.answered(c, len(askers))
}
