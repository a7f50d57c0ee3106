package view

import "time"

// The numbers of views, and so epochs, grow by one with each view. But who begins or takes over knows only what the buckets
// hold, and somebody may have deleted them or put older copies in their place. So the first number of each coordinator is
// no smaller than what its wall clock says: milliseconds since numbersBegin. A view takes longer than that to store, so numbers
// don't overtake the clock, and the next coordinator's are larger, whatever became of the buckets.

var numbersBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// numbersEnd is from when on a clock is not believed, so that none exhausts the numbers: there are 2^53.
var numbersEnd = time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	clockAhead = 60_000  // how far a number may be ahead of a clock, in milliseconds, before that is told
	clockMost  = 1 << 42 // what is said of it at most
)

// clockNumber returns the number that a wall clock stands for, and whether the clock can be right. Else the number is 0.
func clockNumber(wall time.Time) (uint64, bool) {
	if wall.Before(numbersBegin) || !wall.Before(numbersEnd) {
		return 0, false
	}
	return uint64(wall.UnixMilli() - numbersBegin.UnixMilli()), true
}

// nextNumber returns the next view's number: one above all that were used before, as far as this node can know.
func (m *Machine) nextNumber() uint64 {
	next := m.history.Newest()
	switch {
	case m.cfg.Unsafe.NumberByView:
		next = m.viewNumber()
	case m.history.View() == nil, m.history.unsure:
		next = m.history.mostMissed()
	}
	next++
	if clock, _ := clockNumber(m.now.Wall); m.lead == nil && !m.cfg.Unsafe.NumberByBuckets {
		next = max(next, clock)
	}
	return next
}

// noteClock tells that this node's clock can't be right, or can't be if an earlier coordinator's was.
func (m *Machine) noteClock() {
	const then = "epochs could fall if the hub's buckets were lost or restored"
	newest := m.history.Newest()
	clock, right := clockNumber(m.now.Wall)
	switch {
	case !right:
		m.note(Warn, "the wall clock of %s says %s: set it; until then "+then, m.self.Node, m.wall())
	case newest > clock && newest-clock > clockAhead:
		m.note(Warn, "view %d is %v ahead of the wall clock of %s (%s): that, or an earlier coordinator's, is wrong; until it has caught up "+then,
			newest, time.Duration(min(newest-clock, clockMost))*time.Millisecond, m.self.Node, m.wall())
	}
}
