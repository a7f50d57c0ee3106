package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// lastMinute counts what was refused within the last minute, in steps. It takes the same memory whatever is counted.
type lastMinute struct {
	steps  [minuteSteps]protocol.RefusedCounts
	newest int64 // the number of the newest step, since the clock's zero
}

const (
	minuteSteps = 12
	minuteStep  = time.Minute / minuteSteps
)

// add counts what was refused until now.
func (l *lastMinute) add(now time.Duration, n protocol.RefusedCounts) {
	l.forget(now)
	s := &l.steps[l.newest%minuteSteps]
	*s = s.Add(n)
}

// sum returns what was counted within the last minute, less up to one step.
func (l *lastMinute) sum(now time.Duration) protocol.RefusedCounts {
	l.forget(now)
	var all protocol.RefusedCounts
	for _, s := range l.steps {
		all = all.Add(s)
	}
	return all
}

// forget drops the steps that are more than a minute old.
func (l *lastMinute) forget(now time.Duration) {
	n := int64(now / minuteStep)
	for l.newest = max(l.newest, n-minuteSteps); l.newest < n; {
		l.newest++
		l.steps[l.newest%minuteSteps] = protocol.RefusedCounts{}
	}
}

// countRefused takes what a heartbeat says that its node refused. Of what was refused before this coordinator heard of
// the node, nobody knows when.
func (m *Machine) countRefused(p *peer) {
	if p.refused != nil {
		m.lead.refused.add(m.now.Mono, p.report.Refused.Since(*p.refused))
	}
	seen := p.report.Refused
	p.refused = &seen
}

// refusedInput returns what the members refused, by reason.
func (m *Machine) refusedInput() map[string]protocol.Refused {
	var total protocol.RefusedCounts
	for _, x := range m.history.View().Members {
		r, _ := m.reportOf(x.Node)
		total = total.Add(r.Refused)
	}
	minute := m.lead.refused.sum(m.now.Mono)
	byWord := map[string]protocol.Refused{}
	for _, r := range protocol.Reasons() {
		if total[r] > 0 || minute[r] > 0 {
			byWord[r.String()] = protocol.Refused{Total: total[r], PerMinute: minute[r]}
		}
	}
	return byWord
}
