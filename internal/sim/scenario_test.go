package sim_test

import (
	"testing"
	"time"

	"github.com/phub-io/phub/internal/sim"
	"github.com/phub-io/phub/protocol"
)

// Plans of runs that broke a promise once, as small as they could be made. Each is run with many salts, so
// that what made it break may be met again, whatever else in the simulator has changed since.
var scenarios = []struct {
	name string
	plan sim.Plan
	off  func(*sim.Unsafe) // brings the fault back; nil: there is no switch for it
}{
	{
		// With messages that take long, a candidate had heard of the coordinator's new incarnation by the view, and not by
		// its record: it took the lost record of the one before for a fence, and took over from one that lived.
		"the record of an earlier incarnation is no fence",
		sim.Plan{
			Nodes: 5, Skew: 47_000, Config: short(protocol.FailoverStrict), Start: ms(20), End: ms(33_000),
			Faults: []sim.Fault{
				{At: ms(0), Kind: sim.StartChild, A: 3, B: 50},
				{At: ms(862), Kind: sim.StartChild, A: 4},
				{At: ms(1094), Kind: sim.Lag, A: 9, For: ms(9159)},
				{At: ms(1964), Kind: sim.StartChild, A: 0},
				{At: ms(1984), Kind: sim.StartChild, A: 1},
			},
		},
		func(u *sim.Unsafe) { u.View.OldRecords = true },
	},
	{
		// A node was cut off and fenced, and somebody overwrote the fence with junk. When it was back, and the view could not
		// be read yet, it wrote its record again, and served by the old view.
		"a fence that was overwritten is not forgotten",
		sim.Plan{
			Nodes: 4, Config: protocol.Config{}.WithDefaults(), Start: ms(20), End: ms(39_457),
			Faults: []sim.Fault{
				{At: ms(0), Kind: sim.StartChild, A: 51, B: 59},
				{At: ms(11_953), Kind: sim.LinkCut, A: 16, B: 15, For: ms(27_475)},
				{At: ms(18_175), Kind: sim.Meddle, A: 51, B: 13},
				{At: ms(21_103), Kind: sim.LinkCut, A: 23, B: 44, For: ms(8929)},
			},
		},
		nil,
	},
	{
		// While the coordinator was paused between two actions and could not commit, a node settled less than it had. A child
		// whose stop had waited for it was not looked at again, and a departed node's name stayed taken for ever.
		"a child that waits for a node is looked at again",
		sim.Plan{
			Nodes: 5, Skew: 47_000, Config: protocol.Config{}.WithDefaults(), Start: ms(20), End: ms(16_750),
			Faults: []sim.Fault{
				{At: ms(442), Kind: sim.StartChild, A: 4},
				{At: ms(463), Kind: sim.StartChild, A: 0},
				{At: ms(1090), Kind: sim.StartChild, A: 1},
				{At: ms(1831), Kind: sim.StartChild, A: 3},
				{At: ms(8154), Kind: sim.StartChild, A: 37},
				{At: ms(10_695), Kind: sim.StopChild, A: 13, B: 45},
				{At: ms(11_804), Kind: sim.ServerCut, A: 3, B: 57, For: ms(4537)},
				{At: ms(11_813), Kind: sim.PauseMidway, A: 55, B: 5, For: ms(17_816)},
				{At: ms(13_244), Kind: sim.StopChild, A: 22, B: 42},
			},
		},
		nil,
	},
	{
		// A node was cut off, the others were gone, and somebody overwrote the view. One came back, found none, and began the
		// hub anew. The first was not fenced: once its record was accepted, it served by the view that it still followed.
		"who is cut off when a hub begins anew goes on by no earlier view",
		sim.Plan{
			Nodes: 2, Skew: 47_000, Config: short(protocol.FailoverStrict), Start: ms(20), End: ms(33_006),
			Faults: []sim.Fault{
				{At: ms(375), Kind: sim.StartChild, A: 24, B: 1},
				{At: ms(3689), Kind: sim.Astray, A: 7, B: 16, For: ms(233)},
				{At: ms(4888), Kind: sim.OneWayCut, A: 10, B: 16, For: ms(26_863)},
				{At: ms(5051), Kind: sim.Lag, A: 3, B: 19, For: ms(8460)},
				{At: ms(12_010), Kind: sim.Crash, A: 50, B: 19, For: ms(15_046)},
				{At: ms(22_924), Kind: sim.ForgeView, A: 51, B: 30},
			},
		},
		func(u *sim.Unsafe) { u.View.FoundUnfenced = true },
	},
}

func ms(n int64) int64 { return n * int64(time.Millisecond) }

// short is a configuration with the shortest times that are of use.
func short(f protocol.Failover) protocol.Config {
	c := protocol.Config{
		Heartbeat: protocol.Duration(ms(100)), Lease: protocol.Duration(ms(300)), Authority: protocol.Duration(ms(600)), Failover: f,
	}
	return c.WithDefaults()
}

// How many runs a scenario is played in, and in how many at most it breaks without its rule.
const (
	scenarioSalts = 30
	scenarioOff   = 300
)

func TestSim_Scenarios(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		if p, v := brokenBy(s.plan, sim.Unsafe{}, scenarioSalts); v != nil {
			t.Errorf("%s: %s", s.name, sim.Explain(p, sim.Unsafe{}, *lines))
		}
		if s.off == nil {
			continue
		}
		var u sim.Unsafe
		s.off(&u)
		if _, v := brokenBy(s.plan, u, scenarioOff); v == nil {
			t.Errorf("%s: with the rule switched off, no promise is broken by %d runs", s.name, scenarioOff)
		}
	}
}

// brokenBy runs a plan with one salt after the other, until it breaks a promise.
func brokenBy(p sim.Plan, u sim.Unsafe, salts uint64) (sim.Plan, *sim.Violation) {
	for p.Salt = range salts {
		if v := sim.Run(p, u, 0).Violation; v != nil {
			return p, v
		}
	}
	return p, nil
}
