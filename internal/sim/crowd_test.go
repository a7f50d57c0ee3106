package sim_test

import (
	"testing"

	"github.com/phub-io/phub/internal/sim"
)

// In TestCrowd, what a node costs may be so many times as much in a large hub as in a small one.
const costsAtMost = 2

// TestCrowd has nodes join at once on one machine, few and then many: all are members soon, and the work of each grows more slowly than
// the hub. Without the order of large hubs it never ends.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const few, many = 40, 100
	share := func(n int) float64 {
		r := sim.Run(sim.Crowded(*first, n), sim.Unsafe{}, 0)
		if r.Violation != nil {
			t.Fatalf("%d nodes: %v", n, r.Violation)
		}
		t.Logf("%d nodes joined within %v of the last one's start, and took %v of the cores", n, r.Healed, r.Spent)
		return r.Spent.Seconds() / float64(n)
	}
	if a, b := share(few), share(many); b > costsAtMost*a {
		t.Errorf("one of %d nodes costs %.3f s, one of %d %.3f s: expected at most %d times as much", few, a, many, b, costsAtMost)
	}
	var u sim.Unsafe
	u.View.Crowding = true
	if r := sim.Run(sim.Crowded(*first, many), u, 0); r.Violation == nil {
		t.Errorf("without the order of large hubs, too, %d nodes joined within %v", many, r.Healed)
	}
}
