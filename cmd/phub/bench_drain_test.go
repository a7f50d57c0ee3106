package main

import (
	"strings"
	"testing"
)

func TestBenchDrain_Embedded(t *testing.T) {
	t.Parallel()
	r := phubRun(t, nil, "", "bench", "drain", "--embedded", "1", "--runs", "1", "--children", "6", "--coordinator", "--json")
	if r.code != 0 || r.err != "" {
		t.Fatalf("got exit code %d and %q on stderr", r.code, r.err)
	}
	got := decode[drainReport](t, r)
	if got.Children != 6 || got.Nodes != 3 || len(got.Runs) != 1 || got.DualActive != 0 {
		t.Fatalf("got %+v", got)
	}
	one := got.Runs[0]
	if one.Node == "" || one.Active < 1 || one.HandedOver <= 0 || one.Empty < one.HandedOver || one.Takeover <= 0 || got.Ratio != one.Empty/one.Takeover {
		t.Errorf("got %+v", got)
	}
	for _, f := range []plainFigure{one.Rest, one.During} {
		if f.Requests < 1 || f.P99 <= 0 || f.Longest < f.P99 || f.Failed+f.Lost+f.Twice > 0 {
			t.Errorf("got the requests %+v", f)
		}
	}
}

func TestBenchDrain_SaysWhatIsBroken(t *testing.T) {
	t.Parallel()
	whole := drainReport{Runs: []drainRun{{During: plainFigure{Requests: 5}}}}
	if err := whole.broken(); err != nil {
		t.Errorf("nothing is: %v", err)
	}
	for _, f := range []plainFigure{{Failed: 1}, {Lost: 1}, {Twice: 1}} {
		r := drainReport{Runs: []drainRun{{}, {During: f}}}
		if r.broken() == nil {
			t.Errorf("%+v: found no error", f)
		}
	}
	if r := (drainReport{DualActive: 1}); r.broken() == nil {
		t.Error("two active replicas: found no error")
	}
}

func TestBenchDrain_UsageErrors(t *testing.T) {
	t.Parallel()
	for line, inErr := range map[string]string{
		"--nodes 1": "--nodes: found 1, allowed is 2 to 100",
		"--rate 0":  "--rate: found 0, allowed is 1 to 100000",
		"--runs 0":  "--runs: found 0, allowed is 1 to 10000",
	} {
		args := append([]string{"bench", "drain"}, strings.Fields(line)...)
		phubRun(t, nil, "", args...).want(t, exitUsage, "", inErr)
	}
}
