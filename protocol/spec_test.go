package protocol_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// redundancy reads "strategy factor model signal", "-" for what is left open.
func redundancy(t *testing.T, s string) protocol.Redundancy {
	t.Helper()
	f := strings.Fields(strings.ReplaceAll(s, "-", `""`))
	for i := range f {
		f[i] = strings.Trim(f[i], `"`)
	}
	r := protocol.Redundancy{Strategy: protocol.Strategy(f[0]), Model: protocol.Model(f[2]), Signal: protocol.Signal(f[3])}
	if f[1] != "" {
		factor, err := protocol.ParseFactor(f[1])
		if err != nil {
			t.Fatal(err)
		}
		r.Factor = factor
	}
	return r
}

func TestRedundancy_Or(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, child, hub, want string }{
		{"nothing asked gives phub's defaults", "- - - -", "- - - -", "singularity 1 active_active none"},
		{"nothing asked gives the hub's", "- - - -", "replication 3 active_passive all", "replication 3 active_passive all"},
		{"more than one replica is replication", "- 3 - -", "- - - -", "replication 3 active_active none"},
		{"whatever the hub's default is", "- 3 - -", "singularity 1 active_active all", "replication 3 active_active all"},
		{"cluster_size is replication", "- cluster_size - -", "singularity 1 active_active none", "replication cluster_size active_active none"},
		{"one replica alone is a singularity", "- 1 - -", "singularity 1 active_active none", "singularity 1 active_active none"},
		{"unless the hub's default is replication", "- 1 - -", "replication 3 active_passive all", "replication 1 active_passive all"},
		{"a model is replication, with two replicas", "- - active_passive -", "singularity 1 active_active none", "replication 2 active_passive none"},
		{"or with as many as the hub has", "- - active_passive -", "replication 3 active_active none", "replication 3 active_passive none"},
		{"replicas take the hub's model", "- 5 - -", "replication 3 active_passive all", "replication 5 active_passive all"},
		{"a singularity takes no replicas from the hub", "singularity - - -", "replication 3 active_passive all", "singularity 1 active_active all"},
		{"replication takes no replicas from a singularity", "replication - - -", "singularity 1 active_active all", "replication 2 active_active all"},
		{"a signal is the child's own", "- - - passive", "replication 3 active_passive all", "replication 3 active_passive passive"},
		{"a hub that names only replicas asked for replication", "- - - -", "- 3 - -", "replication 3 active_active none"},
		{"and one that names only a model", "- - - -", "- - active_passive -", "replication 2 active_passive none"},
		{"a child of its own strategy ignores it", "singularity - - -", "- 3 - -", "singularity 1 active_active none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, want := redundancy(t, tc.child).Or(redundancy(t, tc.hub)), redundancy(t, tc.want)
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestRedundancy_WhatIsFilledInIsAlwaysValidAndStaysSo(t *testing.T) {
	t.Parallel()
	var all []protocol.Redundancy
	for _, s := range []string{"-", "singularity", "replication"} {
		for _, f := range []string{"-", "1", "3", "cluster_size"} {
			for _, m := range []string{"-", "active_active", "active_passive"} {
				r := redundancy(t, strings.Join([]string{s, f, m, "-"}, " "))
				if r.Validate() == nil {
					all = append(all, r)
				}
			}
		}
	}
	for _, child := range all {
		for _, hub := range all {
			got := child.Or(hub)
			if err := got.Validate(); err != nil {
				t.Errorf("%+v in a hub of %+v: %+v: %v", child, hub, got, err)
			}
			if again := got.Or(hub); again != got {
				t.Errorf("%+v in a hub of %+v changes with each Or: %+v, %+v", child, hub, got, again)
			}
			if got.Strategy == protocol.Singularity && (got.Factor != 1 || got.Replicas(9) != 1 || !got.Exclusive()) {
				t.Errorf("%+v in a hub of %+v is no singularity: %+v", child, hub, got)
			}
		}
	}
}

func TestRedundancy_Replicas(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"singularity 1 active_active none":            "1 true",
		"replication 3 active_active none":            "3 false",
		"replication 3 active_passive none":           "3 true",
		"replication cluster_size active_active none": "7 false",
	} {
		r := redundancy(t, s)
		if got := fmt.Sprint(r.Replicas(7), r.Exclusive()); got != want {
			t.Errorf("%s in a hub of 7: %s, want %s", s, got, want)
		}
	}
}

func TestSignal_Tells(t *testing.T) {
	t.Parallel()
	for s, want := range map[protocol.Signal]string{
		protocol.SignalNone: "false false", protocol.SignalAll: "true true",
		protocol.SignalActive: "true false", protocol.SignalPassive: "false true",
	} {
		if got := fmt.Sprint(s.Tells(protocol.Active), s.Tells(protocol.Passive)); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

func TestParseFactor(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]protocol.Factor{
		"1": 1, "1000": 1000, "007": 7, "cluster_size": protocol.ClusterSize,
		"": 0, "0": 0, "-1": 0, "1001": 0, "99999999999999999999": 0, "1.5": 0, "two": 0, " 1": 0, "CLUSTER_SIZE": 0,
	} {
		if got, err := protocol.ParseFactor(s); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
}

func TestFactor_JSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`2`: `2`, `"2"`: `2`, `"cluster_size"`: `"cluster_size"`, `-1`: "", `1e2`: "", `true`: "", `[1]`: "", `"`: "", `""`: "",
	} {
		var f protocol.Factor
		err := json.Unmarshal([]byte(in), &f)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", in, err)
			}
			continue
		}
		if got, err := json.Marshal(f); string(got) != want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestSpec_Validate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		edit func(s *protocol.Spec)
		want string // the field
	}{
		{"a child and a kind are enough", func(*protocol.Spec) {}, ""},
		{"no child", func(s *protocol.Spec) { s.Child = "" }, "child"},
		{"no kind", func(s *protocol.Spec) { s.Kind = "" }, "kind"},
		{"a policy that does not exist", func(s *protocol.Spec) { s.Restart.Policy = "always" }, "restart.policy"},
		{"a negative limit", func(s *protocol.Spec) { s.Restart.Max = -1 }, "restart.max"},
		{"a limit within days", func(s *protocol.Spec) { s.Restart.Within = protocol.Duration(25 * time.Hour) }, "restart.within"},
		{"a limit of a handler", func(s *protocol.Spec) { s.HandlerLimit = protocol.Duration(30 * time.Second) }, ""},
		{"a negative one", func(s *protocol.Spec) { s.HandlerLimit = -1 }, "handler_limit"},
		{"one of 30 ns, for want of a unit", func(s *protocol.Spec) { s.HandlerLimit = 30 }, "handler_limit"},
		{"one of more than a day", func(s *protocol.Spec) { s.HandlerLimit = protocol.Duration(25 * time.Hour) }, "handler_limit"},
		{"a strategy that does not exist", func(s *protocol.Spec) { s.Redundancy.Strategy = "raid" }, "redundancy.strategy"},
		{"too many replicas", func(s *protocol.Spec) { s.Redundancy.Factor = 1001 }, "redundancy.replication_factor"},
		{"a negative factor", func(s *protocol.Spec) { s.Redundancy.Factor = -2 }, "redundancy.replication_factor"},
		{"a model that does not exist", func(s *protocol.Spec) { s.Redundancy.Model = "aactive" }, "redundancy.replication_model"},
		{"a signal that does not exist", func(s *protocol.Spec) { s.Redundancy.Signal = "some" }, "redundancy.redundancy_signal"},
		{"an argument without a name", func(s *protocol.Spec) { s.Args = map[string]string{"": "x"} }, "args"},
		{"metadata that is not text", func(s *protocol.Spec) { s.Metadata = map[string]string{"x": "\xff"} }, "metadata"},
		{"the largest arguments", func(s *protocol.Spec) { s.Args = map[string]string{"a": strings.Repeat("x", protocol.MaxSpecBytes-1)} }, ""},
		{"larger ones", func(s *protocol.Spec) { s.Args = map[string]string{"a": strings.Repeat("x", protocol.MaxSpecBytes)} }, "args and metadata"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := protocol.Spec{Child: "c", Kind: "echo"}
			tc.edit(&s)
			checkField(t, s.Validate(), tc.want)
		})
	}
}

func TestSpec_ThatIsFilledInCanBeStored(t *testing.T) {
	t.Parallel()
	s := protocol.Spec{Child: "c", Kind: "echo", Args: map[string]string{"text": "<&> \u2028 \x01"}}.WithDefaults(protocol.Redundancy{})
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	back, err := protocol.DecodeSpec(data)
	if err != nil || !back.Equal(&s) {
		t.Errorf("stored %s, read %+v, %v", data, back, err)
	}
	other := back
	other.Metadata = map[string]string{"tag": "x"}
	if back.Equal(&other) {
		t.Error("specs with other metadata are equal")
	}
}

func TestSpec_DifferenceNamesTheFirstFieldWithBothValues(t *testing.T) {
	t.Parallel()
	base := protocol.Spec{Child: "c", Kind: "echo", Args: map[string]string{"a": "1"}}.WithDefaults(protocol.Redundancy{})
	for want, change := range map[string]func(s *protocol.Spec){
		"":                            func(*protocol.Spec) {},
		"kind is echo there, found x": func(s *protocol.Spec) { s.Kind = "x" },
		"redundancy.replication_factor is 1 there, found cluster_size": func(s *protocol.Spec) { s.Redundancy.Factor = protocol.ClusterSize },
		"restart.within is 10s there, found 1s":                        func(s *protocol.Spec) { s.Restart.Within = protocol.Duration(time.Second) },
		"handler_limit is 0s there, found 1m0s":                        func(s *protocol.Spec) { s.HandlerLimit = protocol.Duration(time.Minute) },
		`args.a is "1" there, found absent`:                            func(s *protocol.Spec) { s.Args = nil },
		`args.a is "1" there, found "2"`:                               func(s *protocol.Spec) { s.Args = map[string]string{"a": "2", "b": "3"} },
		`args.b is absent there, found ""`:                             func(s *protocol.Spec) { s.Args = map[string]string{"a": "1", "b": ""} },
		`metadata.tag is absent there, found "t"`:                      func(s *protocol.Spec) { s.Metadata = map[string]string{"tag": "t"} },
	} {
		o := base
		change(&o)
		if got := base.Difference(&o); got != want || (got == "") != base.Equal(&o) {
			t.Errorf("found %q, expected %q", got, want)
		}
	}
}

func TestSpec_DifferencesAreAllOfThem(t *testing.T) {
	t.Parallel()
	base := protocol.Spec{Child: "c", Kind: "echo", Args: map[string]string{"a": "1", "b": "2"}}.WithDefaults(protocol.Redundancy{})
	o := base
	o.Kind, o.Args, o.Metadata = "x", map[string]string{"b": "3"}, map[string]string{"tag": "t"}
	want := []protocol.Difference{
		{Field: "kind", From: "echo", To: "x"},
		{Field: "args.a", From: `"1"`, To: "absent"},
		{Field: "args.b", From: `"2"`, To: `"3"`},
		{Field: "metadata.tag", From: "absent", To: `"t"`},
	}
	if got := base.Differences(&o); !slices.Equal(got, want) {
		t.Errorf("found %v, expected %v", got, want)
	}
}
