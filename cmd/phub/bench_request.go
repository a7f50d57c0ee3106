package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
)

// benchRequest compares requests to an active replica with requests to a bare responder, each in a
// process of its own, in turns of one run.
type benchRequest struct {
	trial
	clients int
	rounds  int
}

const (
	benchSlice   = 250 * time.Millisecond // of each turn
	benchPayload = 128                    // bytes
)

func (a *app) addBenchRequest(group *fisk.CmdClause) {
	b := &benchRequest{trial: trial{app: a}}
	cmd := group.Command("request", "Compare requests to a replica with bare NATS").Action(a.does(b.run))
	cmd.HelpLong("Asks the active replica of a child of the kind echo, and a plain NATS responder in a process of its own, in " +
		"turns of 250 ms, with 128 bytes; each client has a connection of its own and one request under way. The " +
		"replica's replies bear two headers that the bare ones lack.")
	cmd.Flag("clients", "How many clients; default is 1").PlaceHolder("N").Default("1").Validator(isNumber).IntVar(&b.clients)
	cmd.Flag("rounds", "How many turns each; default is 20").PlaceHolder("N").Default("20").Validator(isNumber).IntVar(&b.rounds)
	b.embeddedFlag(cmd)
	subject := ""
	bare := group.Command("responder", "A plain NATS responder, until stdin ends").Hidden().
		Action(a.does(func(ctx context.Context) error { return a.respond(ctx, subject) }))
	bare.Arg("subject", "What to answer on").Required().StringVar(&subject)
}

// respond answers with what it is asked, as a plain NATS program does.
func (a *app) respond(ctx context.Context, subject string) error {
	nc, err := a.conn.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // ends with stdin, or with the process
		_, _ = io.Copy(io.Discard, a.in)
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return nil
}

// requestReport is the outcome for programs. Ratios are of the replica to the bare responder; above 1
// is better for the throughput, below 1 for the times.
type requestReport struct {
	Clients int           `json:"clients"`
	Replica requestFigure `json:"replica"`
	Bare    requestFigure `json:"bare"`
	Ratio   requestRatio  `json:"ratio"`
}

type requestFigure struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
}

type requestRatio struct {
	PerSecond float64 `json:"per_second"` // the median over the turns
	Least     float64 `json:"per_second_min"`
	Most      float64 `json:"per_second_max"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
}

func (b *benchRequest) run(ctx context.Context) (err error) {
	if b.clients < 1 || b.clients > 1000 || b.rounds < 1 || b.rounds > 10_000 {
		return usagef("--clients, --rounds: found %d and %d, allowed are 1 to 1000 and 1 to 10000", b.clients, b.rounds)
	}
	if err := b.checkEmbedded(); err != nil {
		return err
	}
	b.hub = benchHub()
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.measure(ctx); err != nil {
		return b.blame(ctx, err)
	}
	return nil
}

func (b *benchRequest) measure(ctx context.Context) error {
	if err := b.bringUp(ctx, 2, 1); err != nil {
		return err
	}
	bare := b.hub + ".bare"
	if err := b.startOther("bare", b.server(0), "bench", "responder", bare); err != nil {
		return err
	}
	if err := b.answers(ctx, bare); err != nil {
		return err
	}
	return b.compare(ctx, "phub."+b.hub+".req.child1", bare)
}

// answers waits until somebody answers on a subject.
func (b *benchRequest) answers(ctx context.Context, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	for {
		if _, err := b.nc.RequestWithContext(ctx, subject, nil); err == nil {
			return nil
		}
		if err := b.wait(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the bare responder: %w", err)
		}
	}
}

func (b *benchRequest) compare(ctx context.Context, replica, bare string) error {
	conns := make([]*nats.Conn, b.clients)
	for i := range conns {
		nc, err := b.connect(b.server(b.embedded - 1))
		if err != nil {
			return err
		}
		defer nc.Close()
		conns[i] = nc
	}
	var ours, theirs []time.Duration
	var ratios []float64
	for range b.rounds {
		x, err := ask(ctx, conns, replica)
		if err != nil {
			return fmt.Errorf("ask the replica: %w", err)
		}
		y, err := ask(ctx, conns, bare)
		if err != nil {
			return fmt.Errorf("ask the bare responder: %w", err)
		}
		ours, theirs, ratios = append(ours, x...), append(theirs, y...), append(ratios, float64(len(x))/float64(len(y)))
	}
	slices.Sort(ratios)
	r := requestReport{Clients: b.clients, Replica: b.figure(ours), Bare: b.figure(theirs)}
	r.Ratio = requestRatio{ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1], r.Replica.P50 / r.Bare.P50, r.Replica.P99 / r.Bare.P99}
	return b.show(&r)
}

func (b *benchRequest) figure(took []time.Duration) requestFigure {
	slices.Sort(took)
	seconds := float64(b.rounds) * benchSlice.Seconds()
	return requestFigure{float64(len(took)) / seconds, millis(took[len(took)/2]), millis(took[len(took)*99/100])}
}

// ask has each connection send one request after the other for a slice of time, and returns how long
// each took.
func ask(ctx context.Context, conns []*nats.Conn, subject string) ([]time.Duration, error) {
	took := make([][]time.Duration, len(conns))
	errs := make([]error, len(conns))
	end := time.Now().Add(benchSlice)
	var wg sync.WaitGroup
	for i, nc := range conns {
		wg.Go(func() {
			data := make([]byte, benchPayload)
			for began := time.Now(); began.Before(end) && errs[i] == nil; {
				_, errs[i] = nc.RequestWithContext(ctx, subject, data)
				now := time.Now()
				took[i] = append(took[i], now.Sub(began))
				began = now
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...), errors.Join(errs...)
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
	fmt.Fprintln(b.app.out)
	t.print(b.app.out)
	fmt.Fprintf(b.app.out, "\n%s, %d turns; the ratio of requests a second lay between %.2f and %.2f.\n",
		plural(b.clients, "client", "clients"), b.rounds, r.Ratio.Least, r.Ratio.Most)
	return nil
}
