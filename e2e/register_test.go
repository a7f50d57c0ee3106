//go:build e2e

package e2e

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/register"
)

var (
	registerFor     = flag.Duration("register.for", 45*time.Second, "how long TestRegister_RandomFaults has faults befall the hub")
	registerWithout = flag.String("register.without", "", "a safety rule that TestRegister_RandomFaults is to do without, and to fail: lease, wait or silence")
	registerSeed    = flag.Uint64("register.seed", 0, "what TestRegister_RandomFaults draws faults and operations from; 0: another one each time")
)

// Registers are linearizable whatever befalls nodes and servers.
func TestRegister_RandomFaults(t *testing.T) {
	seed := *registerSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano() % 1e9)
	}
	t.Logf("seed %d: -register.seed %d -register.for %v has the same faults planned", seed, seed, *registerFor)
	h := startRegisters(t, registerSetup{nodes: 4, children: 4, without: *registerWithout})
	l := h.startLoad(8, 12*time.Millisecond, seed)
	s := startStorm(h, seed, *registerFor)
	l.stop()
	l.readAll(t)
	h.happened(s, h.recorder.Ops())
	if v := h.judge(h.recorder.Ops()); v != nil {
		t.Errorf("seed %d; the last faults before it: %v", seed, s.before(v.Last.Return))
	}
}

// happened fails the test if too little did for its verdict to mean anything. Two busy cores do more, if only
// by half in faults.
func (h *registerHub) happened(s *storm, ops []register.Op) {
	h.t.Helper()
	count, takeovers := register.CountOf(ops), register.Takeovers(ops)
	h.t.Logf("%d operations answered, %d refused, %d of unknown outcome; %d takeovers; %d operations refused by the store",
		count.OK, count.None, count.Unknown, takeovers, h.store.Fenced())
	h.t.Logf("%d faults: %s; healed %d times, within %v at most", len(s.done), s.summary(), len(s.heals), slices.Max(s.heals).Round(time.Millisecond))
	seconds := int(registerFor.Seconds())
	for _, least := range []struct {
		what      string
		got, want int
	}{
		{"answered operations", count.OK, 20 * seconds},
		{"takeovers", takeovers, seconds / 5},
		{"faults", len(s.done), seconds},
	} {
		if least.got < least.want {
			h.t.Errorf("%d %s in %v, want at least %d: too little to say anything", least.got, least.what, *registerFor, least.want)
		}
	}
}
