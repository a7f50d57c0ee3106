// Package refused counts input that a node refused or dropped.
package refused

import (
	"sync/atomic"

	"github.com/phub-io/phub/protocol"
)

// Counter counts, since its making, by reason. It is ready for use as it is, its methods may be called concurrently, and
// a nil one counts nothing.
type Counter struct {
	counts [len(protocol.RefusedCounts{})]atomic.Uint64
}

// Count notes that input was refused once more.
func (c *Counter) Count(r protocol.Reason) { c.Add(r, 1) }

// Add notes that input was refused n times.
func (c *Counter) Add(r protocol.Reason, n uint64) {
	if c != nil {
		c.counts[r].Add(n)
	}
}

// Counts returns what was counted so far.
func (c *Counter) Counts() protocol.RefusedCounts {
	var all protocol.RefusedCounts
	if c == nil {
		return all
	}
	for r := range c.counts {
		all[r] = min(c.counts[r].Load(), protocol.MaxRefused)
	}
	return all
}
