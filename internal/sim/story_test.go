package sim_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/phub-io/phub/internal/sim"
)

// TestSim_SeedIsRun plays some seeds again, beside others and with another number of processors: all
// that happens in them is the same, byte for byte.
func TestSim_SeedIsRun(t *testing.T) {
	const n = 12
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var alone [n]string
	for i := range alone {
		alone[i] = sim.Detail(sim.PlanOf(uint64(i+1)), sim.Unsafe{})
	}
	runtime.GOMAXPROCS(4)
	var beside [n]string
	var wg sync.WaitGroup
	for i := range beside {
		wg.Go(func() { beside[i] = sim.Detail(sim.PlanOf(uint64(i+1)), sim.Unsafe{}) })
	}
	wg.Wait()
	for i := range alone {
		if len(alone[i]) < 1000 {
			t.Fatalf("seed %d has no story worth comparing: %d bytes", i+1, len(alone[i]))
		}
		if alone[i] != beside[i] {
			t.Errorf("seed %d is another run the second time, from here on:\n%s", i+1, difference(alone[i], beside[i]))
		}
	}
}

// TestSim_SeedIsRunThatBreaks does the same with runs that break a promise: two may break at the same instant, and the
// one that is told must not depend on chance.
func TestSim_SeedIsRunThatBreaks(t *testing.T) {
	t.Parallel()
	broken := 0
	for i := range rules {
		r := &rules[i]
		if r.within > 30 {
			continue
		}
		once, again := sim.Run(r.plan(1), r.unsafe(), 0).Violation, sim.Run(r.plan(1), r.unsafe(), 0).Violation
		switch {
		case once == nil && again == nil:
		case once == nil || again == nil || once.Error() != again.Error():
			t.Errorf("without %s, seed 1 breaks %v and then %v", r.name, once, again)
		default:
			broken++
		}
	}
	if broken < 8 {
		t.Errorf("%d runs broke a promise: too few to say anything", broken)
	}
}

func difference(x, y string) string {
	a, b := strings.Split(x, "\n"), strings.Split(y, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] + "\n" + b[i]
		}
	}
	return "one is longer"
}

// TestSim_Story breaks a promise on purpose, and looks at what a person is shown of it.
func TestSim_Story(t *testing.T) {
	t.Parallel()
	u := sim.Unsafe{NoCompareViews: true}
	plan, found := firstBroken(u)
	if !found {
		t.Fatal("without compare-and-set no promise is broken")
	}
	was := sim.Run(plan, u, 0).Violation
	small := sim.Shrink(plan, u, 200)
	again := sim.Run(small, u, 0).Violation
	switch {
	case again == nil || again.Rule != was.Rule:
		t.Fatalf("shrunk, it breaks %v; before, %v", again, was)
	case 2*len(small.Faults) > len(plan.Faults):
		t.Errorf("shrunk from %d faults to %d only", len(plan.Faults), len(small.Faults))
	}
	const most = 120
	story := sim.Tell(small, u, most)
	for _, want := range []string{"seed ", "broken: " + was.Rule, "VIOLATION", "At that moment", "Why it matters: "} {
		if !strings.Contains(story, want) {
			t.Errorf("the story lacks %q:\n%s", want, story)
		}
	}
	shown := strings.Split(story, "\n")
	if limit := most + len(small.Faults) + 60; len(shown) > limit {
		t.Errorf("the story has %d lines, expected at most %d", len(shown), limit)
	}
	for _, line := range shown {
		if len(line) > 400 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

func firstBroken(u sim.Unsafe) (sim.Plan, bool) {
	for s := range uint64(200) {
		if p := sim.PlanOf(s + 1); sim.Run(p, u, 0).Violation != nil {
			return p, true
		}
	}
	return sim.Plan{}, false
}
