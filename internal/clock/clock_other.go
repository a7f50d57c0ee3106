//go:build !linux

package clock

// Now returns nanoseconds of Go's monotonic clock. On systems where that clock stands still while the
// machine sleeps, a node that wakes trusts its lease for what was left of it.
func Now() int64 { return monotonic() }
