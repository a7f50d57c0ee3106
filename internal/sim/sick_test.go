package sim_test

import (
	"slices"
	"testing"

	"github.com/phub-io/phub/internal/sim"
	"github.com/phub-io/phub/protocol"
)

// TestSick_LosesTheActiveRole plays what TestRules misses when the rule for it is off, with the rule on.
func TestSick_LosesTheActiveRole(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(sim.Recipes, func(x sim.Recipe) bool { return x.Name == "a worker keeps failing on one node" })
	for seed := uint64(1); seed <= 10; seed++ {
		p := sim.Aimed(&sim.Recipes[i], seed, protocol.FailoverAuto)
		if v := sim.Run(p, sim.Unsafe{}, 0).Violation; v != nil {
			t.Fatalf("seed %d: %v\n%s", seed, v, sim.Explain(p, sim.Unsafe{}, *lines))
		}
	}
}
