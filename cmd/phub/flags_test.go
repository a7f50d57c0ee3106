package main

import "testing"

// fisk's parser takes each of the wrong ones for another time, most of them without what it did not understand.
func TestDuration_IsTakenOnlyAsItReads(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"0", "500ms", "5s", "1.5s", "2m", "1h30m", "1d", "1d12h", "2w", "10us"} {
		if err := isDuration(v); err != nil {
			t.Errorf("%q is refused: %v", v, err)
		}
	}
	for _, v := range []string{"", "5", "1h30", "5s oops", "x5s", " 5s", "5s ", "5 s", "-5s", "5s-3s", "1..5s", "0.1d", "1M", "1y", "5x", "h"} {
		if err := isDuration(v); err == nil {
			t.Errorf("%q is accepted", v)
		}
	}
	phubRun(t, nil, "", "status", "--timeout", "1h30").want(t, exitUsage, "", `--timeout: found "1h30", want a time with a unit`)
}
