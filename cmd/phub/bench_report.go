package main

import (
	"fmt"
	"math"
	"slices"
)

// benchReport is the outcome for programs. Times are in milliseconds.
type benchReport struct {
	Fault      string     `json:"fault"`
	Children   int        `json:"children"`
	Nodes      int        `json:"nodes"`
	Runs       []benchRun `json:"runs"`
	First      percentile `json:"first_ms"`
	Last       percentile `json:"last_ms"`
	Limit      percentile `json:"limit_ms"`
	Ratio      float64    `json:"ratio"` // median of last over median of limit
	DualActive int        `json:"dual_active"`
}

// benchRun is one failover.
type benchRun struct {
	Victim   string  `json:"victim"`
	Children int     `json:"children"` // that were active on it
	First    float64 `json:"first_ms"`
	Last     float64 `json:"last_ms"`
	Limit    float64 `json:"limit_ms"`
}

func (b *bench) end() error {
	r := &b.report
	r.First = percentiles(r.Runs, func(x benchRun) float64 { return x.First })
	r.Last = percentiles(r.Runs, func(x benchRun) float64 { return x.Last })
	r.Limit = percentiles(r.Runs, func(x benchRun) float64 { return x.Limit })
	r.Ratio = r.Last.Median / r.Limit.Median
	if b.app.json {
		if err := b.app.printJSON(r); err != nil {
			return err
		}
	} else {
		b.summary()
	}
	if r.DualActive > 0 {
		return fmt.Errorf("%d answers show two active replicas", r.DualActive)
	}
	return nil
}

func (b *bench) summary() {
	r := &b.report
	t := newTable("MILLISECONDS", "MIN", "MEDIAN", "P99", "MAX")
	for _, row := range []struct {
		name string
		p    percentile
	}{{"first child", r.First}, {"last child", r.Last}, {"limit: plain NATS", r.Limit}} {
		t.add(row.name, fmt.Sprintf("%.1f", row.p.Min), fmt.Sprintf("%.1f", row.p.Median), fmt.Sprintf("%.1f", row.p.P99), fmt.Sprintf("%.1f", row.p.Max))
	}
	b.app.printf("\n")
	t.print(b.app.out)
	b.app.printf("\n%s of %s; last child: %.1f times the limit; %d times two replicas were active at once.\n",
		plural(len(r.Runs), "failover", "failovers"), plural(b.children, "child", "children"), r.Ratio, r.DualActive)
}

// percentile describes a set of measurements.
type percentile struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

func percentiles[R any](runs []R, value func(R) float64) percentile {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = value(r)
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[max(0, int(math.Ceil(q*float64(len(v))))-1)] }
	return percentile{Min: v[0], Median: at(0.5), P99: at(0.99), Max: v[len(v)-1]}
}
