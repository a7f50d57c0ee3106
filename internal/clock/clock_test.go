package clock

import (
	"testing"
	"time"
)

func TestNowGoesOnAtThePaceOfTime(t *testing.T) {
	t.Parallel()
	a, began := Now(), time.Now()
	for time.Since(began) < 20*time.Millisecond {
		if b := Now(); b < a {
			t.Fatalf("clock went back from %d to %d", a, b)
		}
	}
	if d := time.Duration(Now() - a); d < 19*time.Millisecond {
		t.Fatalf("found %v passed, expected at least 19ms", d)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}
