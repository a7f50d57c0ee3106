// Package clock reads a clock that never stands still while the process exists: not when the process
// is stopped, and, where the operating system has such a clock, not when the machine sleeps. A lease
// that was judged by a clock which stands still would outlive its end.
package clock

import "time"

var start = time.Now()

// monotonic is Go's own clock. It goes on while the process is stopped.
func monotonic() int64 { return int64(time.Since(start)) }
