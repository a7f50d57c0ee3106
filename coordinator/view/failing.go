package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/protocol"
)

// A replica whose worker is restarted again and again fails requests each time, and is never given up if it stays below its
// restart limit. So the active role goes to one that stands by and does not fail, by the release rule, as for a move: no request is
// lost. The one that failed stays as a replica, and is not made active for a time that is doubled each time. While all of a child's
// replicas fail, nothing is handed over.

const (
	// failingRestarts within failingWindow make a replica one that keeps failing.
	failingRestarts = 3
	failingWindow   = 5 * time.Minute
	// failingLately is for how long after that its role is handed over, if nobody was there to take it at once. What has run since
	// then may be over it.
	failingLately = 10 * time.Second
	// failingPause is for how long it is not made active; doubled each time, and forgotten when it has run for as long as it takes
	// at most.
	failingPause    = time.Minute
	maxFailingPause = time.Hour
)

// failing is what the coordinator knows of a replica that was restarted.
type failing struct {
	restarts int             // as its node counts them
	recent   []time.Duration // when the last ones were heard of, fewer than failingRestarts
	text     string          // why the last one ended
	view     uint64          // of its entry when it was found failing last; 0: never
	found    time.Duration   // when that was
	until    time.Duration   // it is not to be made active before this instant
	times    int             // that it was found failing anew
}

// noteRestarts takes what a node says of the restarts of its replicas.
func (m *Machine) noteRestarts(node string, list []protocol.Restarted) {
	for i := range list {
		r := &list[i]
		if f := m.lead.placing.failing[r.Child][node]; r.Restarts == 0 || f != nil && f.restarts == r.Restarts {
			continue
		}
		e := m.history.Entry(r.Child)
		if e == nil || !e.Exclusive || !slices.Contains(m.alive(e), node) {
			continue
		}
		f := m.lead.placing.failingAt(r.Child, node)
		n := r.Restarts - f.restarts
		switch {
		case n < 0:
			n = r.Restarts // a replica that is new there
		case f.restarts == 0:
			n = 1 // who coordinates since a moment ago does not know when the others were
		}
		f.restarts, f.text = r.Restarts, protocol.Cut(r.Error, protocol.MaxRestartError)
		m.restarted(f, e, node, n)
	}
}

// failingAt returns what is known of a replica, to be changed.
func (p *placing) failingAt(child, node string) *failing {
	if p.failing[child] == nil {
		p.failing[child] = map[string]*failing{}
	}
	f := p.failing[child][node]
	if f == nil {
		f = &failing{}
		p.failing[child][node] = f
	}
	return f
}

// restarted counts n restarts of a replica.
func (m *Machine) restarted(f *failing, e *Placed, node string, n int) {
	f.recent = slices.DeleteFunc(f.recent, func(at time.Duration) bool { return m.now.Mono-at >= failingWindow })
	for range min(n, failingRestarts) {
		f.recent = append(f.recent, m.now.Mono)
	}
	if len(f.recent) >= failingRestarts {
		f.recent = nil
		m.keepsFailing(f, e, node)
	}
	if m.failsNow(e.Child, node) {
		m.lead.placing.look(e.Child)
	}
}

// keepsFailing notes that a replica keeps failing. The log has it once, for as long as it is not made active.
func (m *Machine) keepsFailing(f *failing, e *Placed, node string) {
	f.found, f.view = m.now.Mono, e.View
	if m.now.Mono < f.until {
		return
	}
	if f.until > 0 && m.now.Mono-f.until >= maxFailingPause {
		f.times = 0
	}
	m.spare(f, min(failingPause<<min(f.times, 10), maxFailingPause))
	f.times++
	m.note(Warn, "the replica of %s on %s keeps failing (%s): for %v it is not made active while another one can be", e.Child, node, f.why(), f.until-m.now.Mono)
	m.lead.placing.touch(e.Child)
}

// spare keeps a replica from being made active for some time.
func (m *Machine) spare(f *failing, wait time.Duration) {
	f.until = m.now.Mono + wait
	if p := &m.lead.placing; p.thaw == 0 || f.until < p.thaw {
		p.thaw = f.until
	}
}

// failingText is what the reason begins with.
var failingText = fmt.Sprintf("restarted %d times within %d minutes", failingRestarts, int(failingWindow.Minutes()))

func (f *failing) why() string {
	if strings.HasPrefix(f.text, failingText) {
		return f.text // as a predecessor stored it
	}
	why := failingText
	if f.text != "" {
		why += "; the last error: " + f.text
	}
	return why
}

// spared reports whether a replica on that node is not to be made active now, as long as there are others.
func (m *Machine) spared(child, node string) bool {
	f := m.lead.placing.failing[child][node]
	return f != nil && m.now.Mono < f.until
}

// sparedNodes returns the nodes whose replica of a child keeps failing, sorted.
func (m *Machine) sparedNodes(child string) []string {
	var nodes []string
	for node := range m.lead.placing.failing[child] {
		if m.spared(child, node) {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// failsNow reports whether a replica keeps failing, and did so a moment ago.
func (m *Machine) failsNow(child, node string) bool {
	return m.spared(child, node) && m.now.Mono-m.lead.placing.failing[child][node].found < failingLately
}

// failingStep hands the active role over from a replica that keeps failing to the first one that stands by and does not.
func (m *Machine) failingStep(q planned) (planned, bool) {
	if !q.entry.Exclusive || q.Moving || len(q.Replicas) < 2 || m.cfg.Unsafe.KeepFailing || !m.failsNow(q.Child, q.Replicas[0]) {
		return q, false
	}
	active := q.Replicas[0]
	k := slices.IndexFunc(q.Replicas[1:], func(n string) bool {
		return !m.spared(q.Child, n) && m.settledAt(n, q.Child, q.entry.View) && !m.history.View().Member(n).Draining
	})
	if k < 0 {
		return q, false
	}
	to := q.Replicas[k+1]
	rest := slices.DeleteFunc(slices.Clone(q.Replicas), func(n string) bool { return n == to || n == active })
	q.Reason = "handed over from " + active + ", where it kept failing: " + m.lead.placing.failing[q.Child][active].why()
	q.Replicas = slices.Concat([]string{to}, rest, []string{active})
	return q, true
}

// failingIn returns which of the passive replicas in an order keep failing, for the entry.
func (m *Machine) failingIn(child string, order []string, exclusive bool) []protocol.Failure {
	var list []protocol.Failure
	for _, node := range m.sparedNodes(child) {
		if exclusive && slices.Index(order, node) > 0 {
			f := m.lead.placing.failing[child][node]
			list = append(list, protocol.Failure{Node: node, Error: f.why(), View: f.view})
		}
	}
	cutTexts(list)
	return list
}

// rememberFailing goes on from what a predecessor stored.
func (m *Machine) rememberFailing(child string, f protocol.Failure) {
	x := m.lead.placing.failingAt(child, f.Node)
	x.view, x.times, x.text = f.View, 1, protocol.Cut(f.Error, protocol.MaxRestartError)
	m.spare(x, failingPause)
}

// forgetFailing forgets what was known of replicas on nodes that are members no more, or anew.
func (p *placing) forgetFailing(lost []string) {
	for child, nodes := range p.failing {
		for _, node := range lost {
			delete(nodes, node)
		}
		if len(nodes) == 0 {
			delete(p.failing, child)
		}
	}
}

// forgiveFailing lets somebody make a replica active on request: it counts as one that has not failed yet.
func (m *Machine) forgiveFailing(child, node string) {
	if f := m.lead.placing.failing[child][node]; f != nil {
		f.recent, f.until = nil, min(f.until, m.now.Mono)
	}
}

// failingThawed has those children looked at whose replicas may be made active again, and returns when the next one may be.
func (m *Machine) failingThawed() (next time.Duration) {
	p := &m.lead.placing
	for child, nodes := range p.failing {
		if spec, _ := m.specs.Get(child); spec == nil {
			delete(p.failing, child)
			continue
		}
		for _, f := range nodes {
			switch {
			case f.until == 0:
			case m.now.Mono < f.until:
				if next == 0 || f.until < next {
					next = f.until
				}
			default:
				p.touch(child)
			}
		}
	}
	return next
}
