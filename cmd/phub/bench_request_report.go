package main

import (
	"fmt"
	"slices"
)

// requestReport is the outcome for programs.
type requestReport struct {
	Clients int           `json:"clients"`
	Rounds  int           `json:"rounds"`
	Replica requestFigure `json:"replica"`
	Bare    requestFigure `json:"bare"`
	Ratio   requestRatio  `json:"ratio"`
}

// requestFigure describes the requests of all turns.
type requestFigure struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

// requestRatio is the replica's figures divided by the bare responder's; above 1 is better for requests a
// second, below 1 for the times.
type requestRatio struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	// Of requests a second in the two turns of one round.
	Least  float64 `json:"per_second_min"`
	Median float64 `json:"per_second_median"`
	Most   float64 `json:"per_second_max"`
}

// newRequestReport compares the turns of both.
func newRequestReport(clients int, replica, bare []turn) *requestReport {
	r := &requestReport{Clients: clients, Rounds: len(replica), Replica: requestsOf(replica), Bare: requestsOf(bare)}
	ratios := make([]float64, len(replica))
	for i := range ratios {
		ratios[i] = float64(len(replica[i])) / float64(len(bare[i]))
	}
	slices.Sort(ratios)
	n := len(ratios)
	r.Ratio = requestRatio{
		PerSecond: r.Replica.PerSecond / r.Bare.PerSecond,
		P50:       r.Replica.P50 / r.Bare.P50,
		P99:       r.Replica.P99 / r.Bare.P99,
		Least:     ratios[0],
		Median:    (ratios[(n-1)/2] + ratios[n/2]) / 2,
		Most:      ratios[n-1],
	}
	return r
}

func requestsOf(turns []turn) requestFigure {
	took := slices.Concat(turns...)
	slices.Sort(took)
	at := func(percent int) float64 { return float64(took[len(took)*percent/100].Microseconds()) / 1000 }
	seconds := float64(len(turns)) * benchSlice.Seconds()
	return requestFigure{PerSecond: float64(len(took)) / seconds, P50: at(50), P99: at(99)}
}

func (b *benchRequest) show(r *requestReport) error {
	if b.app.json {
		return b.app.printJSON(r)
	}
	t := newTable("", "REQUESTS/S", "P50 MS", "P99 MS")
	for _, row := range []struct {
		name string
		f    requestFigure
	}{{"active replica", r.Replica}, {"bare NATS", r.Bare}} {
		t.add(row.name, fmt.Sprintf("%.0f", row.f.PerSecond), fmt.Sprintf("%.3f", row.f.P50), fmt.Sprintf("%.3f", row.f.P99))
	}
	t.add("ratio", fmt.Sprintf("%.2f", r.Ratio.PerSecond), fmt.Sprintf("%.2f", r.Ratio.P50), fmt.Sprintf("%.2f", r.Ratio.P99))
	b.app.printf("\n")
	t.print(b.app.out)
	b.app.printf("\n%s, %s each; the ratio of requests a second in single turns: median %.2f, %.2f to %.2f.\n",
		plural(r.Clients, "client", "clients"), plural(r.Rounds, "turn", "turns"), r.Ratio.Median, r.Ratio.Least, r.Ratio.Most)
	return nil
}
