package sim_test

import (
	"testing"

	"github.com/phub-io/phub/internal/sim"
	"github.com/phub-io/phub/protocol"
)

// While somebody stores foreign values under all nodes' own keys, as fast as it can or now and then, no node loses its lease, and
// no child is unserved.
func TestOwnKeys_CostNoService(t *testing.T) {
	t.Parallel()
	for seed := range uint64(16) {
		p := sim.Plan{
			Seed: seed, Nodes: 1 + int(seed/4), Config: short(protocol.FailoverAuto), Start: ms(20), GiveUp: ms(2000), End: ms(26_000), Unserved: ms(100),
		}
		if seed%2 == 0 {
			p.Config = protocol.Config{}.WithDefaults()
		}
		for i := range sim.Children {
			p.Faults = append(p.Faults, sim.Fault{At: ms(1500), Kind: sim.StartChild, A: i, B: 4})
		}
		p.Faults = append(p.Faults, sim.Fault{At: ms(6000), Kind: sim.OwnKeys, B: 1 + 2*int(seed), For: ms(20_000)})
		r := sim.Run(p, sim.Unsafe{}, 0)
		if r.Violation != nil {
			t.Errorf("seed %d: %v\n%s", seed, r.Violation, sim.Run(p, sim.Unsafe{}, 200).Story)
		}
		t.Logf("seed %d: whole %v after the end", seed, r.Healed)
	}
}
