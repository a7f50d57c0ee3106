package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

func replies(n uint64) protocol.RefusedCounts {
	return protocol.RefusedCounts{protocol.ReasonReply: n}
}

func TestLastMinute_HasWhatWasCountedWithinAMinute(t *testing.T) {
	t.Parallel()
	const began = 1000 * time.Hour
	for _, c := range []struct {
		after time.Duration
		want  uint64
	}{{0, 7}, {54 * time.Second, 7}, {time.Minute, 0}, {24 * time.Hour, 0}} {
		var l lastMinute
		l.add(began, replies(3))
		l.add(began, replies(4))
		if got := l.sum(began + c.after); got != replies(c.want) {
			t.Errorf("%v later: %v, expected %d", c.after, got, c.want)
		}
	}
}

func TestLastMinute_OfASteadyRate(t *testing.T) {
	t.Parallel()
	var l lastMinute
	now := time.Duration(0)
	for ; now < 5*time.Minute; now += time.Second {
		l.add(now, replies(2))
	}
	if got := l.sum(now)[protocol.ReasonReply]; got < 110 || got > 120 {
		t.Errorf("found %d, expected 110 to 120: 2 in each second", got)
	}
}

func TestLastMinute_TakesForgedNumbers(t *testing.T) {
	t.Parallel()
	var l lastMinute
	for range 3 {
		l.add(0, replies(protocol.MaxRefused))
	}
	if got := l.sum(0); got != replies(protocol.MaxRefused) {
		t.Errorf("found %v, expected no more than %d", got, uint64(protocol.MaxRefused))
	}
}

func TestCountRefused_CountsWhatIsNew(t *testing.T) {
	t.Parallel()
	m := Machine{lead: newLead(), now: Now{Mono: time.Hour}}
	p := &peer{}
	heartbeat := func(counted, want uint64) {
		t.Helper()
		p.report.Refused = replies(counted)
		m.countRefused(p)
		if got := m.lead.refused.sum(m.now.Mono); got != replies(want) {
			t.Errorf("after a heartbeat with %d: %v, expected %d", counted, got, want)
		}
	}
	heartbeat(1000, 0) // counted at an unknown time
	heartbeat(1005, 5)
	heartbeat(1005, 5)
	heartbeat(2, 7) // the process was started again
}
