package sim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/sim"
)

var (
	seeds = flag.Uint64("sim.seeds", 300, "how many seeds are run")
	seed  = flag.Uint64("sim.seed", 0, "run this seed only, and tell its story")
	first = flag.Uint64("sim.first", 1, "the first seed")
	all   = flag.Bool("sim.all", false, "go on after the first seed that fails")
	lines = flag.Int("sim.lines", 200, "how many lines of a story are shown")
)

// hunt is a run of many seeds.
type hunt struct {
	t       *testing.T
	next    atomic.Uint64
	done    atomic.Uint64
	events  atomic.Uint64
	slowest atomic.Int64 // healing, in thousandths of what it may take
	expired atomic.Bool
	told    atomic.Bool // the story of a seed that failed
	began   time.Time
	until   time.Time // the test's time limit, less some time to end; zero if there is none
}

// TestSim runs seed after seed; each must keep all promises.
func TestSim(t *testing.T) {
	t.Parallel()
	if *seed != 0 {
		tell(t, *seed)
		return
	}
	h := &hunt{t: t, began: time.Now()}
	if d, ok := t.Deadline(); ok {
		h.until = d.Add(-10 * time.Second)
	}
	h.next.Store(*first)
	stop := h.progress()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(h.work)
	}
	wg.Wait()
	stop()
	if h.expired.Load() {
		t.Errorf("%s: that was all the time there is; for more: -timeout 0", h)
	}
	t.Log(h)
}

func (h *hunt) work() {
	for {
		s := h.next.Add(1) - 1
		switch {
		case s >= *first+*seeds, h.t.Failed() && !*all:
			return
		case !h.until.IsZero() && time.Now().After(h.until):
			h.expired.Store(true)
			return
		}
		p := sim.PlanOf(s)
		r := sim.Run(p, sim.Unsafe{}, 0)
		h.done.Add(1)
		h.events.Add(r.Steps)
		h.healed(p, r)
		switch {
		case r.Violation == nil:
		case h.told.CompareAndSwap(false, true):
			h.t.Errorf("seed %d: %v\n%s", s, r.Violation, sim.Explain(p, sim.Unsafe{}, *lines))
		default:
			h.t.Errorf("seed %d: %v\nIts story: go test ./internal/sim -run TestSim -sim.seed=%d", s, r.Violation, s)
		}
	}
}

// progress says every ten seconds how far a long run is. The function that it returns ends that.
func (h *hunt) progress() func() {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintln(os.Stderr, h)
			case <-done:
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// String says how far it is.
func (h *hunt) String() string {
	d := time.Since(h.began)
	return fmt.Sprintf("%d of %d seeds from %d on, %d events, in %v; the slowest healing took %d %% of what it may", h.done.Load(), *seeds, *first,
		h.events.Load(), d.Round(100*time.Millisecond), h.slowest.Load()/10)
}

func (h *hunt) healed(p sim.Plan, r sim.Result) {
	share := int64(1000 * r.Healed / p.Bound())
	for was := h.slowest.Load(); share > was && !h.slowest.CompareAndSwap(was, share); was = h.slowest.Load() {
	}
}

// tell runs one seed, and tells the story of what it breaks.
func tell(t *testing.T, seed uint64) {
	t.Helper()
	p := sim.PlanOf(seed)
	r := sim.Run(p, sim.Unsafe{}, 0)
	if r.Violation == nil {
		t.Logf("seed %d keeps all promises, in %d events; healed %v after the last fault", seed, r.Steps, r.Healed)
		t.Log(sim.Run(p, sim.Unsafe{}, *lines).Story)
		return
	}
	t.Errorf("seed %d: %v\n%s", seed, r.Violation, sim.Explain(p, sim.Unsafe{}, *lines))
}
