package sim_test

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/internal/sim"
)

var (
	seeds = flag.Uint64("sim.seeds", 300, "how many seeds are run")
	seed  = flag.Uint64("sim.seed", 0, "run this seed only, and tell its story")
	first = flag.Uint64("sim.first", 1, "the first seed")
	all   = flag.Bool("sim.all", false, "go on after the first seed that fails")
	lines = flag.Int("sim.lines", 300, "how many lines of a story are shown")
)

// TestSim runs seed after seed; each must keep all promises.
func TestSim(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		tell(t, *seed)
		return
	}
	var next, steps atomic.Uint64
	next.Store(*first)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				s := next.Add(1) - 1
				if s >= *first+*seeds || t.Failed() && !*all {
					return
				}
				r := sim.Run(sim.PlanOf(s), sim.Unsafe{}, 0)
				steps.Add(r.Steps)
				if r.Violation != nil {
					t.Errorf("seed %d: %v\ntell its story with: go test ./internal/sim -run TestSim -sim.seed=%d", s, r.Violation, s)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d seeds, %d events", *seeds, steps.Load())
}

func tell(t *testing.T, seed uint64) {
	r := sim.Run(sim.PlanOf(seed), sim.Unsafe{}, 1)
	if r.Violation == nil {
		t.Logf("seed %d keeps all promises", seed)
		return
	}
	t.Errorf("seed %d: %v\n%s", seed, r.Violation, sim.Explain(sim.PlanOf(seed), sim.Unsafe{}, *lines))
}
