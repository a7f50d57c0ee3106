package view

import (
	"testing"
	"time"
)

func TestClockNumber_BelievesNoJunk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wall  string
		want  uint64
		right bool
	}{
		{"1970-01-01T00:00:00Z", 0, false},
		{"2025-12-31T23:59:59.999Z", 0, false},
		{"2026-01-01T00:00:00Z", 0, true},
		{"2026-01-01T01:00:00.0015+01:00", 1, true},
		{"2026-11-23T01:54:31.212Z", 28_173_271_212, true},
		{"2125-12-31T23:59:59.999Z", 3_155_673_599_999, true}, // a 2854th of 2^53
		{"2126-01-01T00:00:00Z", 0, false},
		{"9999-12-31T23:59:59Z", 0, false},
	} {
		wall, err := time.Parse(time.RFC3339Nano, c.wall)
		if err != nil {
			t.Fatal(err)
		}
		if got, right := clockNumber(wall); got != c.want || right != c.right {
			t.Errorf("a clock that says %s stands for %d (right: %t), expected %d (%t)", c.wall, got, right, c.want, c.right)
		}
	}
	if _, right := clockNumber(time.Time{}); right {
		t.Error("no time at all is believed")
	}
}
