package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBenchRequest_ComparesAReplicaWithBareNATS(t *testing.T) {
	t.Parallel()
	r := phubRun(t, nil, "", "bench", "request", "--embedded", "1", "--rounds", "2", "--clients", "2", "--json")
	if r.code != exitDone {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	got := decode[requestReport](t, r)
	if got.Clients != 2 || got.Rounds != 2 || got.Replica.PerSecond <= 0 || got.Bare.PerSecond <= 0 || got.Ratio.Least > got.Ratio.Most || got.Replica.P50 > got.Replica.P99 {
		t.Errorf("found %+v, expected figures of both, in order", got)
	}
	if got.Ratio.PerSecond != got.Replica.PerSecond/got.Bare.PerSecond {
		t.Errorf("found %+v, expected the ratio of the figures beside it", got)
	}
}

func TestBenchRequest_RefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--clients", "0"}, {"--rounds", "0"}, {"--embedded", "2"}} {
		if r := phubRun(t, nil, "", append([]string{"bench", "request"}, args...)...); r.code != exitUsage {
			t.Errorf("%v: exit %d, expected %d", args, r.code, exitUsage)
		}
	}
}

func TestBenchRequest_RatioIsThatOfTheRows(t *testing.T) {
	t.Parallel()
	// Two rounds: 30 to 10 requests and 20 to 40. The rows show 50 to 50.
	ours, theirs := []turn{turnOf(30, 1), turnOf(20, 1)}, []turn{turnOf(10, 2), turnOf(40, 2)}
	r := newRequestReport(1, ours, theirs)
	if want := (requestRatio{PerSecond: 1, P50: 0.5, P99: 0.5, Least: 0.5, Median: 1.75, Most: 3}); r.Ratio != want {
		t.Errorf("got %+v, want %+v", r.Ratio, want)
	}
	if want := (requestFigure{PerSecond: 100, P50: 1, P99: 1}); r.Replica != want {
		t.Errorf("got %+v, want %+v", r.Replica, want)
	}
	out := &safeBuffer{}
	b := &benchRequest{trial: trial{app: &app{stdio: stdio{out: out}}}}
	if err := b.show(r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"active replica  100 ", "bare NATS       100 ", "ratio           1.00 ",
		"1 client, 2 turns each; the ratio of requests a second in single turns: median 1.75, 0.50 to 3.00.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out, want)
		}
	}
}

func TestBenchRequest_MedianOfAnOddNumberOfTurns(t *testing.T) {
	t.Parallel()
	theirs := []turn{turnOf(10, 1), turnOf(10, 1), turnOf(10, 1)}
	r := newRequestReport(1, []turn{turnOf(40, 1), turnOf(5, 1), turnOf(9, 1)}, theirs)
	if r.Ratio.Least != 0.5 || r.Ratio.Median != 0.9 || r.Ratio.Most != 4 {
		t.Errorf("got %+v, want 0.5, 0.9 and 4", r.Ratio)
	}
}

// turnOf returns n requests that took as many milliseconds each.
func turnOf(n, ms int) turn {
	return slices.Repeat(turn{time.Duration(ms) * time.Millisecond}, n)
}

func TestInTurns_EachGoesFirstInEveryOtherRound(t *testing.T) {
	t.Parallel()
	var order []string
	asked := func(who string, err error) func() (turn, error) {
		return func() (turn, error) {
			order = append(order, who)
			return turnOf(len(order), 1), err
		}
	}
	turns, err := inTurns(3, asked("ours", nil), asked("theirs", nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(order), "[ours theirs theirs ours ours theirs]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for who, want := range [2][]int{{1, 4, 5}, {2, 3, 6}} {
		var got []int
		for _, took := range turns[who] {
			got = append(got, len(took))
		}
		if !slices.Equal(got, want) {
			t.Errorf("turns of number %d: got those asked as %v, want %v", who, got, want)
		}
	}
	if _, err := inTurns(1, asked("ours", nil), asked("theirs", errUsed)); !errors.Is(err, errUsed) {
		t.Errorf("got %v, want %v", err, errUsed)
	}
}

var errUsed = errors.New("nobody answers")
