package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub/protocol"
)

// benchDrain measures drains of a node under plain requests, and beside each the takeover after a kill.
type benchDrain struct {
	bench
	rate        int  // plain requests a second
	coordinator bool // the node that coordinates drains
	outcome     drainReport
}

const (
	drainRest  = 2 * time.Second        // for which plain requests are sent before each drain
	drainAfter = 500 * time.Millisecond // and after it
	drainEvery = 50 * time.Millisecond  // between two looks at how far it is
)

func (a *app) addBenchDrain(group *fisk.CmdClause) {
	b := &benchDrain{bench: bench{trial: trial{app: a}, fault: faultKill}}
	cmd := group.Command("drain", "Drain nodes under plain requests, beside takeovers after a kill").Action(a.does(b.run))
	cmd.HelpLong("Starts nodes of its own as processes, in a hub of its own that it deletes in the end, on the NATS that the " +
		"connection flags name, or with --embedded on servers in this process. In each run the busiest node drains while a plain NATS " +
		"client without a retry asks all children in turn; then the drain is cancelled, and when the load is even again the busiest " +
		"node is killed. Shown are how long it takes until all that was active is handed over and until the node is empty, and how long " +
		"plain requests take meanwhile and at rest: the slowest is the longest gap. Exit code 0 means: no request failed, was lost or " +
		"was handled twice, and never were two replicas active at once.")
	cmd.Flag("children", "How many children, with two replicas each; default is 1000").PlaceHolder("N").Default("1000").Validator(isNumber).IntVar(&b.children)
	cmd.Flag("nodes", "How many nodes; default is 3").PlaceHolder("N").Default("3").Validator(isNumber).IntVar(&b.nodes)
	cmd.Flag("runs", "How many drains, and as many kills; default is 3").PlaceHolder("N").Default("3").Validator(isNumber).IntVar(&b.runs)
	cmd.Flag("rate", "How many plain requests a second; default is 500").PlaceHolder("N").Default("500").Validator(isNumber).IntVar(&b.rate)
	cmd.Flag("coordinator", "Drain the node that coordinates").UnNegatableBoolVar(&b.coordinator)
	b.embeddedFlag(cmd)
	cmd.Flag("verbose", "Show the log of the nodes on stderr").Short('v').UnNegatableBoolVar(&b.verbose)
}

func (b *benchDrain) run(ctx context.Context) (err error) {
	if b.rate < 1 || b.rate > 100_000 {
		return usagef("--rate: found %d, allowed is 1 to 100000", b.rate)
	}
	if err := b.check(); err != nil {
		return err
	}
	b.hub = benchHub()
	b.outcome = drainReport{Children: b.children, Nodes: b.nodes, Rate: b.rate, Coordinator: b.coordinator, Runs: []drainRun{}}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.bringUp(ctx, b.nodes, b.children); err != nil {
		return b.blame(ctx, err)
	}
	for i := range b.runs {
		r, err := b.both(ctx)
		if err != nil {
			return b.blame(ctx, fmt.Errorf("drain %d: %w", i+1, err))
		}
		b.outcome.Runs = append(b.outcome.Runs, r)
		b.say("%3d of %d: drain of %s with %d active: handed over %.0f ms, empty %.0f ms; %s; takeover of %d after a kill: %.0f ms",
			i+1, b.runs, r.Node, r.Active, r.HandedOver, r.Empty, r.During.text(), r.KilledActive, r.Takeover)
	}
	return b.finish()
}

// both drains a node, and kills one after that.
func (b *benchDrain) both(ctx context.Context) (drainRun, error) {
	r, err := b.drainOne(ctx)
	if err != nil {
		return r, err
	}
	killed, err := b.once(ctx)
	if err != nil {
		return r, fmt.Errorf("the kill beside it: %w", err)
	}
	r.Takeover, r.KilledActive = killed.Last, killed.Children
	return r, nil
}

// drainOne drains the busiest node, and ends that again.
func (b *benchDrain) drainOne(ctx context.Context) (drainRun, error) {
	if b.coordinator {
		b.fault = faultCoordinator
	}
	node, children, err := b.victim(ctx)
	b.fault = faultKill
	if err != nil {
		return drainRun{}, err
	}
	r := drainRun{Node: node, Active: len(children)}
	l, err := b.newLoad()
	if err != nil {
		return r, err
	}
	defer l.nc.Close()
	go l.run(b.rate)
	begin, end, err := b.measured(ctx, l, &r)
	if err = errors.Join(err, l.end()); err != nil {
		return r, err
	}
	r.Rest, r.During = l.between(0, begin), l.between(begin, end)
	b.report.DualActive += l.check.dual
	if _, err := b.client.CancelDrain(ctx, node); err != nil {
		return r, err
	}
	return r, b.settle(ctx, b.nodes)
}

// measured drains a node under load, and returns when that began and ended.
func (b *benchDrain) measured(ctx context.Context, l *plainLoad, r *drainRun) (begin, end time.Duration, err error) {
	if err = b.wait(ctx, drainRest); err != nil {
		return 0, 0, err
	}
	begin = l.now()
	if err = b.watchDrain(ctx, r); err != nil {
		return begin, begin, err
	}
	end = l.now()
	return begin, end, b.wait(ctx, drainAfter)
}

// watchDrain drains a node and notes when it has handed over what is active, and when it is empty.
func (b *benchDrain) watchDrain(ctx context.Context, r *drainRun) error {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	for began := time.Now(); ; {
		s, err := b.lookDrain(ctx, r.Node)
		if err != nil {
			return err
		}
		took := millis(time.Since(began))
		if s.Draining && s.Active == 0 && r.HandedOver == 0 {
			r.HandedOver = took
		}
		if s.Draining && s.Children == 0 && !s.Coordinates {
			r.Empty = took
			return nil
		}
		if err := b.wait(ctx, drainEvery); err != nil {
			return fmt.Errorf("drain %s: %d children are left: %w", r.Node, s.Children, err)
		}
	}
}

// lookDrain has a node drain, and asks how far it is: more often than the client of the package does.
func (b *benchDrain) lookDrain(ctx context.Context, node string) (s protocol.DrainResponse, err error) {
	data, err := json.Marshal(protocol.DrainRequest{Node: node})
	if err != nil {
		return s, err
	}
	m, err := b.nc.RequestWithContext(ctx, protocol.SubjectsOf(b.hub).Control(protocol.VerbDrain), data)
	if err != nil {
		return s, fmt.Errorf("ask how far the drain of %s is: %w", node, err)
	}
	if code := m.Header.Get(protocol.HeaderErrorCode); code != "" {
		return s, fmt.Errorf("ask how far the drain of %s is: found error %s: %s", node, code, m.Header.Get(protocol.HeaderError))
	}
	return s, json.Unmarshal(m.Data, &s)
}
