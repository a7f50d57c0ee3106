package clock

import "golang.org/x/sys/unix"

// Now returns nanoseconds of CLOCK_BOOTTIME, which counts the time that the machine was suspended, or
// of Go's monotonic clock if the kernel has no such clock. Never both in one process.
func Now() int64 { return read() }

var read = choose()

func choose() func() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return monotonic
	}
	return boottime
}

func boottime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("phub: the clock that leases are judged by can't be read any more: " + err.Error())
	}
	return ts.Nano()
}
