package protocol_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// checkField fails unless err is about that field; "" for no error.
func checkField(t *testing.T, err error, want string) {
	t.Helper()
	var field *protocol.FieldError
	switch {
	case want == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case want != "" && (!errors.As(err, &field) || field.Field != want || field.Found == "" || field.Allowed == ""):
		t.Errorf("got error %v, want one of field %q", err, want)
	}
}

func d(v time.Duration) protocol.Duration { return protocol.Duration(v) }

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		c    protocol.Config
		want string
	}{
		{"the default is valid", protocol.Config{}, ""},
		{"a fast hub needs only a heartbeat", protocol.Config{Heartbeat: d(10 * time.Millisecond)}, ""},
		{"a slow hub needs a longer lease", protocol.Config{Heartbeat: d(time.Second)}, "lease"},
		{"a slow hub", protocol.Config{Heartbeat: d(time.Minute), Lease: d(3 * time.Minute), Authority: d(6 * time.Minute)}, ""},
		{"a heartbeat too short", protocol.Config{Heartbeat: d(9 * time.Millisecond)}, "heartbeat"},
		{"a heartbeat too long", protocol.Config{Heartbeat: d(61 * time.Second)}, "heartbeat"},
		{"a negative heartbeat", protocol.Config{Heartbeat: d(-time.Second)}, "heartbeat"},
		{"a lease too short", protocol.Config{Lease: d(1499 * time.Millisecond)}, "lease"},
		{"a lease too long", protocol.Config{Lease: d(31 * time.Minute)}, "lease"},
		{"a lease that overflows", protocol.Config{Lease: math.MaxInt64/2 + 1}, "lease"},
		{"an authority too short", protocol.Config{Authority: d(3999 * time.Millisecond)}, "authority"},
		{"an authority too long", protocol.Config{Authority: d(61 * time.Minute)}, "authority"},
		{"a probe too short", protocol.Config{Probe: 1}, "probe"},
		{"a probe longer than a heartbeat", protocol.Config{Probe: d(501 * time.Millisecond)}, "probe"},
		{"a hub that disconnects who hangs", protocol.Config{Failover: protocol.FailoverFast}, ""},
		{"a failover that does not exist", protocol.Config{Failover: "never"}, "failover"},
		{"a strategy that does not exist", protocol.Config{Redundancy: protocol.Redundancy{Strategy: "x"}}, "redundancy.strategy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := tc.c.WithDefaults()
			checkField(t, c.Validate(), tc.want)
		})
	}
}

func TestConfig_OrTakesWhatIsOpenFromTheOther(t *testing.T) {
	t.Parallel()
	hub := protocol.Config{Heartbeat: d(100 * time.Millisecond), Lease: d(time.Second), Failover: protocol.FailoverStrict, Redundancy: redundancy(t, "replication 3 active_passive all")}
	got := protocol.Config{Lease: d(5 * time.Second), Redundancy: redundancy(t, "- 2 - -")}.Or(hub)
	want := protocol.Config{
		V: 1, Heartbeat: d(100 * time.Millisecond), Lease: d(5 * time.Second), Authority: d(15 * time.Second), Probe: d(25 * time.Millisecond),
		Failover: protocol.FailoverStrict, Balance: protocol.BalanceOn, Redundancy: redundancy(t, "replication 2 active_passive all"),
	}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if again := got.Or(hub); again != got {
		t.Errorf("a complete configuration changed: %+v", again)
	}
}

func TestConfig_Refuses(t *testing.T) {
	t.Parallel()
	hub := protocol.Config{}.WithDefaults()
	for _, tc := range []struct {
		name string
		want protocol.Config
		says string // field, found and had; "" if it is not refused
	}{
		{"a node that asks for nothing", protocol.Config{}, ""},
		{"a node that asks for the same", hub, ""},
		{"a node that asks for part of the same", protocol.Config{Lease: d(2 * time.Second)}, ""},
		{"another strategy", protocol.Config{Redundancy: redundancy(t, "replication - - -")}, "redundancy.strategy: found replication, allowed is singularity"},
		{"more replicas", protocol.Config{Redundancy: redundancy(t, "- 3 - -")}, "redundancy.replication_factor: found 3, allowed is 1"},
		{"another model", protocol.Config{Redundancy: redundancy(t, "- - active_passive -")}, "redundancy.replication_model: found active_passive, allowed is active_active"},
		{"another signal", protocol.Config{Redundancy: redundancy(t, "- - - all")}, "redundancy.redundancy_signal: found all, allowed is none"},
		{"another heartbeat", protocol.Config{Heartbeat: d(time.Second)}, "heartbeat: found 1s, allowed is 500ms"},
		{"another lease", protocol.Config{Lease: d(time.Second)}, "lease: found 1s, allowed is 2s"},
		{"another authority", protocol.Config{Authority: d(time.Minute)}, "authority: found 1m0s, allowed is 15s"},
		{"another probe", protocol.Config{Probe: d(time.Second)}, "probe: found 1s, allowed is 25ms"},
		{"another failover", protocol.Config{Failover: protocol.FailoverStrict}, "failover: found strict, allowed is auto"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := hub.Refuses(&tc.want)
			if (err == nil) != (tc.says == "") || err != nil && !strings.HasPrefix(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func TestMargin(t *testing.T) {
	t.Parallel()
	if got := protocol.Margin(2 * time.Second); got != 250*time.Millisecond {
		t.Errorf("of a lease of 2 s: %v, want 250ms", got)
	}
}

func TestDuration_JSON(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		`"2s"`: true, `"1h2m"`: true, `"-5ms"`: true, `null`: true,
		`2`: false, `"2"`: false, `""`: false, `{}`: false, `"99999999h"`: false,
	} {
		var v protocol.Duration
		if err := v.UnmarshalJSON([]byte(in)); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestFailover_ProvesUnlessItIsStrict(t *testing.T) {
	t.Parallel()
	for f, want := range map[protocol.Failover]bool{
		protocol.FailoverAuto: true, protocol.FailoverFast: true, protocol.FailoverStrict: false, "": false, "never": false,
	} {
		if got := f.Proves(); got != want {
			t.Errorf("failover %q takes a closed connection as proof: %v, want %v", f, got, want)
		}
	}
}
