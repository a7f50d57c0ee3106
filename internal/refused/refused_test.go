package refused_test

import (
	"sync"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
)

func TestCounter_CountsByReasonFromManyGoroutines(t *testing.T) {
	t.Parallel()
	var c refused.Counter
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				c.Count(protocol.ReasonReply)
				c.Add(protocol.ReasonLog, 2)
			}
		})
	}
	all.Wait()
	var want protocol.RefusedCounts
	want[protocol.ReasonReply], want[protocol.ReasonLog] = 8000, 16000
	if got := c.Counts(); got != want {
		t.Errorf("found %v, expected %v", got, want)
	}
}

func TestCounter_NoneCountsNothing(t *testing.T) {
	t.Parallel()
	var c *refused.Counter
	c.Count(protocol.ReasonReply)
	if got := c.Counts(); got != (protocol.RefusedCounts{}) {
		t.Errorf("found %v, expected nothing", got)
	}
}

func TestCounter_NeverExceedsWhatReadersOfJSONTake(t *testing.T) {
	t.Parallel()
	var c refused.Counter
	c.Add(protocol.ReasonReply, protocol.MaxRefused)
	c.Add(protocol.ReasonReply, 1)
	if got := c.Counts()[protocol.ReasonReply]; got != protocol.MaxRefused {
		t.Errorf("found %d, expected %d", got, uint64(protocol.MaxRefused))
	}
}

func TestSeldom_IsDueOnceAMinute(t *testing.T) {
	t.Parallel()
	var s refused.Seldom
	began := time.Now()
	for _, c := range []struct {
		after time.Duration
		held  uint64
		due   bool
	}{{0, 0, true}, {time.Second, 0, false}, {59 * time.Second, 0, false}, {time.Minute, 2, true}, {61 * time.Second, 0, false}, {3 * time.Minute, 1, true}, {5 * time.Minute, 0, true}} {
		if held, due := s.Due(began.Add(c.after)); held != c.held || due != c.due {
			t.Errorf("after %v: %d, %v; expected %d, %v", c.after, held, due, c.held, c.due)
		}
	}
}
