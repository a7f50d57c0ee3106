package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/natstest"
)

func TestBenchFailover_Embedded(t *testing.T) {
	t.Parallel()
	r := phubRun(t, nil, "", "bench", "failover", "--embedded", "1", "--runs", "1", "--children", "5", "--json")
	if r.code != 0 || r.err != "" {
		t.Fatalf("got exit code %d and %q on stderr", r.code, r.err)
	}
	got := decode[benchReport](t, r)
	if got.Fault != faultKill || got.Children != 5 || got.Nodes != 3 || len(got.Runs) != 1 || got.DualActive != 0 {
		t.Fatalf("got %+v", got)
	}
	one := got.Runs[0]
	if one.Victim == "" || one.Children < 1 || one.First <= 0 || one.Last < one.First || one.Limit <= 0 || got.Ratio != one.Last/one.Limit {
		t.Errorf("got %+v", got)
	}
}

func TestBenchFailover_LeavesNothingOnYourServer(t *testing.T) {
	t.Parallel()
	url := natstest.Single(t).URL()
	r := phubRun(t, map[string]string{"NATS_URL": url}, "", "bench", "failover", "--runs", "1", "--nodes", "2", "--fault", "coordinator")
	r.want(t, 0, "1 failover of 1 child", "")
	r.want(t, 0, "0 times two replicas were active at once", "")
	js, err := jetstream.New(natstest.Connect(t, url))
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context()).Name() {
		t.Errorf("the stream %s was left behind", name)
	}
}

func TestBenchFailover_UsageErrors(t *testing.T) {
	t.Parallel()
	for line, inErr := range map[string]string{
		"--nodes 1":     "--nodes: found 1, allowed is 2 to 100",
		"--children 0":  "--children: found 0, allowed is 1 to 100000",
		"--runs 0":      "--runs: found 0, allowed is 1 to 10000",
		"--embedded 2":  "--embedded: found 2, allowed is 1 or 3",
		"--runs many":   "found \"many\"",
		"--plain":       "--plain is for embedded servers",
		"--fault flood": `--fault: found "flood", want kill, coordinator, hang or hang-coordinator`,
	} {
		args := append([]string{"bench", "failover"}, strings.Fields(line)...)
		phubRun(t, nil, "", args...).want(t, exitUsage, "", inErr)
	}
}

func TestBench_StrikesTheBusiestNode(t *testing.T) {
	t.Parallel()
	active := map[string][]string{"node1": {"a", "b", "c"}, "node2": {"d"}, "node3": {"e", "f"}}
	for fault, want := range map[string]string{
		faultKill: "node3", faultHang: "node3", faultCoordinator: "node1", faultHangCoordinator: "node1",
	} {
		if got := (&bench{fault: fault}).busiest(active, "node1"); got != want {
			t.Errorf("%s: got %s, want %s", fault, got, want)
		}
	}
	if got := (&bench{fault: faultCoordinator}).busiest(active, "node4"); got != "" {
		t.Errorf("the coordinator has no active child: got %s", got)
	}
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   percentile
	}{
		{[]float64{3}, percentile{Min: 3, Median: 3, P99: 3, Max: 3}},
		{[]float64{4, 1, 3, 2}, percentile{Min: 1, Median: 2, P99: 4, Max: 4}},
		{[]float64{5, 4, 3, 2, 1}, percentile{Min: 1, Median: 3, P99: 5, Max: 5}},
	} {
		var runs []benchRun
		for _, v := range tc.values {
			runs = append(runs, benchRun{Last: v})
		}
		if got := percentiles(runs, func(r benchRun) float64 { return r.Last }); got != tc.want {
			t.Errorf("%v: got %+v, want %+v", tc.values, got, tc.want)
		}
	}
}

func TestHandOn_KeepsSecretsOutOfTheListOfProcesses(t *testing.T) {
	t.Parallel()
	c := connection{server: "nats://h", creds: "f", user: "u", password: "secret", token: "secret", tlsFirst: true}
	flags, env := c.handOn()
	if want := []string{"--server", "nats://h", "--creds", "f", "--tlsfirst"}; !slices.Equal(flags, want) {
		t.Errorf("got the flags %q, want %q", flags, want)
	}
	if want := []string{"NATS_USER=u", "NATS_PASSWORD=secret", "NATS_TOKEN=secret"}; !slices.Equal(env, want) {
		t.Errorf("got the environment %q, want %q", env, want)
	}
}
