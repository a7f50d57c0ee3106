package replica_test

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/worker/replica"
)

// TestMachine_StoriesNeedTheirRules plays stories with a rule switched off that no run of the simulator misses: each
// comes out differently then.
func TestMachine_StoriesNeedTheirRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, story string
		unsafe      replica.Unsafe
	}{
		{"AnyRelease", "handover_successor", replica.Unsafe{AnyRelease: true}},
		{"ForgetRelease", "release_ahead", replica.Unsafe{ForgetRelease: true}},
		{"KeepTenure", "reset", replica.Unsafe{KeepTenure: true}},
		{"KeepTenure", "void", replica.Unsafe{KeepTenure: true}},
	} {
		s := newScenario()
		limits := replica.Limits{Unsafe: c.unsafe}.WithDefaults()
		s.m = replica.New(s, &limits)
		differs := false
		datadriven.RunTest(t, filepath.Join("testdata", c.story+".txt"), func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			differs = differs || s.run(t, d) != d.Expected
			return d.Expected
		})
		if !differs {
			t.Errorf("without the rule %s, the story %s is the same", c.rule, c.story)
		}
	}
}
