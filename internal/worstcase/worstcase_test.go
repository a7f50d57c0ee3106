package worstcase_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/worstcase"
	"github.com/phub-io/phub/protocol"
)

func deployment(change func(*worstcase.Deployment)) worstcase.Deployment {
	d := worstcase.Deployment{
		Config: protocol.Config{}.WithDefaults(), Nodes: 3, Servers: 3, Asked: true,
		RoundTrip: time.Millisecond, Write: 10 * time.Millisecond, Dial: 5 * time.Millisecond,
	}
	change(&d)
	return d
}

func TestCases_FollowFromTheOptions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*worstcase.Deployment)
		want   []time.Duration // as the cases stand
	}{
		"defaults": {func(*worstcase.Deployment) {}, ms(141, 2049, 131, 2085, 35, 12049, 12049)},
		"fast, with access": {func(d *worstcase.Deployment) {
			d.Config.Failover, d.Kick = protocol.FailoverFast, true
		}, ms(141, 843, 131, 843, 35, 12049, 12049)},
		"fast, without access": {func(d *worstcase.Deployment) { d.Config.Failover = protocol.FailoverFast }, ms(141, 2049, 131, 2085, 35, 12049, 12049)},
		"strict":               {func(d *worstcase.Deployment) { d.Config.Failover = protocol.FailoverStrict }, ms(2049, 2049, 2085, 2085, 35, 12049, 12049)},
		"no server answers":    {func(d *worstcase.Deployment) { d.Asked = false }, ms(2049, 2049, 2085, 2085, 35, 12049, 12049)},
		"a long way":           {func(d *worstcase.Deployment) { d.RoundTrip = 124 * time.Millisecond }, ms(2418, 2418, 2454, 2454, 527, 12418, 12418)},
		"two nodes":            {func(d *worstcase.Deployment) { d.Nodes = 2 }, ms(141, 2049, 131, 15039, 35, 12049, 24049)},
		"a hundred nodes":      {func(d *worstcase.Deployment) { d.Nodes = 101 }, ms(616, 2049, 131, 2085, 35, 12049, 12049)},
		"one server":           {func(d *worstcase.Deployment) { d.Servers = 1 }, ms(141, 2049, 131, 2085, 0, 0, 0)},
		"a long lease":         {func(d *worstcase.Deployment) { d.Config.Lease = protocol.Duration(5 * time.Second) }, ms(141, 5049, 131, 5085, 35, 14049, 14049)},
		"a lease too short to kick within": {func(d *worstcase.Deployment) {
			d.Config.Failover, d.Kick = protocol.FailoverFast, true
			d.Config.Heartbeat, d.Config.Lease = protocol.Duration(20*time.Millisecond), protocol.Duration(60*time.Millisecond)
		}, ms(141, 109, 131, 145, 35, 12049, 12049)},
	} {
		for i, c := range deployment(tc.change).Cases() {
			if c.Takes != tc.want[i] {
				t.Errorf("%s: %s: found %v by %q, expected %v", name, c.Fault, c.Takes, c.Formula, tc.want[i])
			}
		}
	}
}

func ms(list ...int) []time.Duration {
	var all []time.Duration
	for _, n := range list {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

// TestCases_AreThoseOfThePage compares the formulas with docs/failover.md.
func TestCases_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/failover.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, change := range []func(*worstcase.Deployment){
		func(*worstcase.Deployment) {},
		func(d *worstcase.Deployment) { d.Config.Failover, d.Kick = protocol.FailoverFast, true },
		func(d *worstcase.Deployment) { d.Config.Failover, d.Nodes = protocol.FailoverStrict, 2 },
	} {
		for _, c := range deployment(change).Cases() {
			if !strings.Contains(page, c.Formula) {
				t.Errorf("docs/failover.md has no formula %q, which is evaluated for %q", c.Formula, c.Fault)
			}
		}
	}
	for _, formula := range []string{
		"`proof(p) = p + tick + ask + 4R + 3 ms`",
		"`kick = heartbeat + max(heartbeat/4, 50 ms) + max(heartbeat/4, 100 ms) + 2 tick + 5R + 3 ms`",
	} {
		if !strings.Contains(page, formula) {
			t.Errorf("docs/failover.md has no formula %s", formula)
		}
	}
}
