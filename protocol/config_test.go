package protocol_test

import (
	"errors"
	"math"
	"reflect"
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
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if again := got.Or(hub); !reflect.DeepEqual(again, got) {
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

func TestConfig_With(t *testing.T) {
	t.Parallel()
	hub := protocol.Config{}.WithDefaults()
	strict := protocol.Config{Failover: protocol.FailoverStrict}.WithDefaults()
	for _, tc := range []struct {
		name    string
		hub     protocol.Config
		change  protocol.Config
		changed string // names; or
		says    string // field, found and allowed of an error
	}{
		{"nothing", hub, protocol.Config{}, "", ""},
		{"what there is", hub, hub, "", ""},
		{"balance", hub, protocol.Config{Balance: protocol.BalanceOff}, "balance", ""},
		{"more replicas, and so another strategy", hub, protocol.Config{Redundancy: redundancy(t, "- 3 - -")}, "redundancy.strategy redundancy.replication_factor", ""},
		{"probe and failover", hub, protocol.Config{Probe: d(50 * time.Millisecond), Failover: protocol.FailoverFast}, "probe failover", ""},
		{"to strict", hub, protocol.Config{Failover: protocol.FailoverStrict}, "failover", ""},
		{"strict again", strict, protocol.Config{Failover: protocol.FailoverStrict}, "", ""},
		{"from strict", strict, protocol.Config{Failover: protocol.FailoverFast}, "", `failover: found "fast", allowed is strict`},
		{"a lease", hub, protocol.Config{Lease: d(3 * time.Second)}, "", "lease: found 3s, allowed is 2s, as long as the hub lives"},
		{"a heartbeat", hub, protocol.Config{Heartbeat: d(time.Second)}, "", "heartbeat: found 1s, allowed is 500ms, as long as the hub lives"},
		{"an authority", hub, protocol.Config{Authority: d(time.Minute)}, "", "authority: found 1m0s, allowed is 15s, as long as the hub lives"},
		{"an id", hub, protocol.Config{ID: "x"}, "", `id: found "x"`},
		{"a probe that is too long", hub, protocol.Config{Probe: d(time.Second)}, "", "probe: found 1s, allowed is 1ms to one heartbeat"},
		{"no balance that there is", hub, protocol.Config{Balance: "odd"}, "", `balance: found "odd"`},
		{"too many replicas", hub, protocol.Config{Redundancy: protocol.Redundancy{Factor: 1001}}, "", "redundancy.replication_factor: found 1001"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			next, changed, err := tc.hub.With(tc.change)
			if strings.Join(changed, " ") != tc.changed || (err == nil) != (tc.says == "") || err != nil && !strings.HasPrefix(err.Error(), tc.says) {
				t.Errorf("got %v, %v, want %q, %q", changed, err, tc.changed, tc.says)
			}
			if wrong := next.Validate(); wrong != nil {
				t.Errorf("it became %+v: %v", next, wrong)
			}
			if same := reflect.DeepEqual(next, tc.hub); same != (tc.changed == "") {
				t.Errorf("it became %+v", next)
			}
		})
	}
}

// What was changed while the hub ran refuses nobody who was started for what was before; all else does.
func TestConfig_SettingsThatWereChangedRefuseNobody(t *testing.T) {
	t.Parallel()
	hub := protocol.Config{Balance: protocol.BalanceOff}.WithDefaults().Changed([]string{"balance"}, 7).Changed([]string{"probe"}, 9)
	if got := hub.Revision(); got != 9 {
		t.Errorf("revision %d, want 9", got)
	}
	if got := (&protocol.Config{}).Revision(); got != 1 {
		t.Errorf("revision %d of one that nobody changed, want 1", got)
	}
	want := protocol.Config{Balance: protocol.BalanceOn, Probe: hub.Probe}
	if err := hub.Refuses(&want); err != nil {
		t.Errorf("refused: %v", err)
	}
	if got := hub.Ignores(&want); len(got) != 1 || got[0] != "balance on (it was set to off)" {
		t.Errorf("ignored: %q", got)
	}
	want.Lease = d(time.Second)
	if err := hub.Refuses(&want); err == nil || !strings.HasPrefix(err.Error(), "lease: ") {
		t.Errorf("another lease: %v", err)
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
