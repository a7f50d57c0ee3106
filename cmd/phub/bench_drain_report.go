package main

import "fmt"

// drainReport is the outcome for programs. Times are in milliseconds.
type drainReport struct {
	Children    int        `json:"children"`
	Nodes       int        `json:"nodes"`
	Rate        int        `json:"rate"`        // plain requests a second
	Coordinator bool       `json:"coordinator"` // the node that coordinates drained
	Runs        []drainRun `json:"runs"`
	HandedOver  percentile `json:"handed_over_ms"`
	Empty       percentile `json:"empty_ms"`
	Takeover    percentile `json:"takeover_ms"`
	Ratio       float64    `json:"ratio"` // median of empty over median of takeover
	DualActive  int        `json:"dual_active"`
}

// drainRun is one drain, and the kill beside it.
type drainRun struct {
	Node         string      `json:"node"`
	Active       int         `json:"active"`         // children that were active on it
	HandedOver   float64     `json:"handed_over_ms"` // until all of them are active elsewhere
	Empty        float64     `json:"empty_ms"`       // until nothing is left on it
	Rest         plainFigure `json:"rest"`
	During       plainFigure `json:"during"`
	KilledActive int         `json:"killed_active"`
	Takeover     float64     `json:"takeover_ms"` // of the last child after a kill
}

// plainFigure describes plain requests.
type plainFigure struct {
	Requests int     `json:"requests"`
	Failed   int     `json:"failed"`
	Lost     int     `json:"lost"`
	Twice    int     `json:"twice"` // handled twice
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Longest  float64 `json:"longest_ms"`
}

func (f plainFigure) text() string {
	return fmt.Sprintf("%d plain requests, p99 %.1f ms, longest %.1f ms, %d failed, %d lost, %d handled twice", f.Requests, f.P99, f.Longest, f.Failed, f.Lost, f.Twice)
}

func (b *benchDrain) finish() error {
	r := &b.outcome
	r.DualActive = b.report.DualActive
	r.HandedOver = percentiles(r.Runs, func(x drainRun) float64 { return x.HandedOver })
	r.Empty = percentiles(r.Runs, func(x drainRun) float64 { return x.Empty })
	r.Takeover = percentiles(r.Runs, func(x drainRun) float64 { return x.Takeover })
	r.Ratio = r.Empty.Median / r.Takeover.Median
	if b.app.json {
		if err := b.app.printJSON(r); err != nil {
			return err
		}
	} else {
		b.table()
	}
	return r.broken()
}

// broken says which promise the figures show to be broken.
func (r *drainReport) broken() error {
	var all plainFigure
	for _, x := range r.Runs {
		for _, f := range []plainFigure{x.Rest, x.During} {
			all.Failed, all.Lost, all.Twice = all.Failed+f.Failed, all.Lost+f.Lost, all.Twice+f.Twice
		}
	}
	if all.Failed+all.Lost+all.Twice+r.DualActive > 0 {
		return fmt.Errorf("%d plain requests failed, %d were lost, %d were handled twice; %d answers show two active replicas", all.Failed, all.Lost, all.Twice, r.DualActive)
	}
	return nil
}

func (b *benchDrain) table() {
	r := &b.outcome
	t := newTable("MILLISECONDS", "MIN", "MEDIAN", "P99", "MAX")
	row := func(name string, p percentile) {
		t.add(name, fmt.Sprintf("%.1f", p.Min), fmt.Sprintf("%.1f", p.Median), fmt.Sprintf("%.1f", p.P99), fmt.Sprintf("%.1f", p.Max))
	}
	row("drain: all handed over", r.HandedOver)
	row("drain: node empty", r.Empty)
	row("takeover after a kill: last child", r.Takeover)
	row("plain requests at rest, p99", percentiles(r.Runs, func(x drainRun) float64 { return x.Rest.P99 }))
	row("plain requests at rest, longest", percentiles(r.Runs, func(x drainRun) float64 { return x.Rest.Longest }))
	row("plain requests during the drain, p99", percentiles(r.Runs, func(x drainRun) float64 { return x.During.P99 }))
	row("plain requests during the drain, longest", percentiles(r.Runs, func(x drainRun) float64 { return x.During.Longest }))
	b.app.printf("\n")
	t.print(b.app.out)
	requests := 0
	for _, x := range r.Runs {
		requests += x.During.Requests
	}
	b.app.printf("\n%s of %s, until the node was empty: %.1f times the takeover after a kill; %s during drains.\n",
		plural(len(r.Runs), "drain", "drains"), plural(b.children, "child", "children"), r.Ratio, plural(requests, "plain request", "plain requests"))
}
