package sim_test

import (
	"testing"

	"github.com/phub-io/phub/internal/sim"
	"github.com/phub-io/phub/protocol"
)

// slowRuns is how many runs TestSlow plays of each failover.
const slowRuns = 20

// TestSlow has everything be slow for up to a minute: who is late must not be taken for lost, and the hub is whole again
// soon after.
func TestSlow(t *testing.T) {
	t.Parallel()
	for _, f := range []protocol.Failover{protocol.FailoverAuto, protocol.FailoverStrict, protocol.FailoverFast} {
		for seed := range uint64(slowRuns) {
			p := sim.Slowed(*first+seed, f)
			if v := sim.Run(p, sim.Unsafe{}, 0).Violation; v != nil {
				t.Errorf("failover %s, seed %d: %v\n%s", f, seed, v, sim.Explain(p, sim.Unsafe{}, *lines))
				break
			}
		}
	}
}
