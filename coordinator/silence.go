package coordinator

import (
	"time"

	"github.com/phub-io/phub/coordinator/view"
)

// silenceLeast is how long a session may be silent at least: longer than a stream's leader is elected for.
const silenceLeast = 12 * time.Second

// aloneDoubled is how often that time is doubled, once for each session in a row over which nothing was answered at all: where the
// servers have no time, more connections leave them less.
const aloneDoubled = 3

// hear notes that something was answered: by the coordinator, or by a stream's leader.
func (l *loop) hear(e view.Event) {
	o := view.OutcomeUnknown
	switch e := e.(type) {
	case view.BeatAnswered:
		o = e.Outcome
	case view.NodeWritten:
		o = e.Outcome
	case view.NodeDropped:
		o = e.Outcome
	case view.KeyRead:
		o = e.Outcome
	case view.RecordsLoaded:
		o = e.Outcome
	case view.Committed:
		o = e.Outcome
	case view.SpecsWritten:
		o = e.Outcome
	}
	if o == view.Done || o == view.Conflict {
		l.heard, l.c.alone = time.Now(), 0
	}
}

// isolated reports, at each tick, whether nothing was answered for so long that no trust can be left to
// lose, though the connection stands: its server may be cut off from the others, and another one may not be.
// Time in which this process stood still does not count.
func (l *loop) isolated() bool {
	now := time.Now()
	stood := now.Sub(l.ticked) > time.Second
	l.ticked = now
	if stood {
		l.heard = now
	}
	silent := now.Sub(l.heard)
	if silent < max(l.c.machine.Authority(), silenceLeast)<<min(l.c.alone, aloneDoubled) {
		return false
	}
	l.c.alone++
	l.c.cfg.Logger.Warn("nothing is answered over this connection: opening another one",
		"hub", l.c.cfg.Hub, "node", l.c.cfg.Node, "silent", silent.Round(time.Millisecond))
	return true
}
