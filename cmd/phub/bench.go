package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nuid"
)

// bench measures failovers: it runs nodes of its own, kills or stops one, and sees when the children
// that were active there answer from elsewhere.
type bench struct {
	trial
	fault    string
	children int
	nodes    int
	runs     int
	failover string
	report   benchReport
}

// The faults that are measured.
const (
	faultKill            = "kill"             // kill -9 of a node that doesn't coordinate
	faultCoordinator     = "coordinator"      // kill -9 of the one that does
	faultHang            = "hang"             // SIGSTOP of a node that doesn't coordinate
	faultHangCoordinator = "hang-coordinator" // SIGSTOP of the one that does
)

// hangs reports whether the node is stopped, and not killed.
func (b *bench) hangs() bool { return b.fault == faultHang || b.fault == faultHangCoordinator }

// strikesCoordinator reports whether it is the coordinator's node.
func (b *bench) strikesCoordinator() bool {
	return b.fault == faultCoordinator || b.fault == faultHangCoordinator
}

func (a *app) addBench(cli *fisk.Application) {
	b := &bench{trial: trial{app: a}}
	group := cli.Command("bench", "Measure failovers, drains and requests on your own NATS")
	a.addBenchRequest(group)
	a.addBenchDrain(group)
	cmd := group.Command("failover", "Kill nodes again and again, and time who takes over").Action(a.does(b.run))
	cmd.HelpLong("Starts nodes of its own as processes, in a hub of its own that it deletes in the end, on the NATS that the " +
		"connection flags name, or with --embedded on servers in this process. The time runs from the signal to the " +
		"first answer by another node: of the first and of the last child that was active on the node. Beside it " +
		"stands the limit: how long plain NATS connections take, in the same run, to subscribe as many subjects when " +
		"another one that had as many is closed, and to answer on each. Exit code 0 means: every child came back, and never were two replicas active at once.")
	cmd.Flag("fault", "What happens: kill, coordinator (it is killed), hang or hang-coordinator; default is kill").PlaceHolder("FAULT").Default(faultKill).
		Validator(oneOf([]string{faultKill, faultCoordinator, faultHang, faultHangCoordinator})).StringVar(&b.fault)
	cmd.Flag("failover", "The hub's way of failover, as for node run").PlaceHolder("MODE").Validator(failoverMode).StringVar(&b.failover)
	cmd.Flag("children", "How many children, with two replicas each; default is 1").PlaceHolder("N").Default("1").Validator(isNumber).IntVar(&b.children)
	cmd.Flag("nodes", "How many nodes; default is 3").PlaceHolder("N").Default("3").Validator(isNumber).IntVar(&b.nodes)
	cmd.Flag("runs", "How many failovers; default is 10").PlaceHolder("N").Default("10").Validator(isNumber).IntVar(&b.runs)
	b.embeddedFlag(cmd)
	cmd.Flag("plain", "Give the embedded servers a default configuration, without access to the system account").UnNegatableBoolVar(&b.plain)
	cmd.Flag("verbose", "Show the log of the nodes on stderr").Short('v').UnNegatableBoolVar(&b.verbose)
}

func (b *bench) run(ctx context.Context) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	b.hub = benchHub()
	if b.failover != "" {
		b.nodeFlags = []string{"--failover", b.failover}
	}
	b.report = benchReport{Fault: b.fault, Children: b.children, Nodes: b.nodes, Runs: []benchRun{}}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.bringUp(ctx, b.nodes, b.children); err != nil {
		return b.blame(ctx, err)
	}
	for i := range b.runs {
		r, err := b.once(ctx)
		if err != nil {
			return b.blame(ctx, fmt.Errorf("failover %d: %w", i+1, err))
		}
		b.report.Runs = append(b.report.Runs, r)
		b.say("%3d of %d: %s of %s with %d active: first %.1f ms, last %.1f ms, limit %.1f ms", i+1, b.runs, b.fault, r.Victim, r.Children, r.First, r.Last, r.Limit)
	}
	return b.end()
}

// check refuses what nothing can be measured with.
func (b *bench) check() error {
	switch {
	case b.nodes < 2 || b.nodes > 100:
		return usagef("--nodes: found %d, allowed is 2 to 100", b.nodes)
	case b.children < 1 || b.children > 100_000:
		return usagef("--children: found %d, allowed is 1 to 100000", b.children)
	case b.runs < 1 || b.runs > 10_000:
		return usagef("--runs: found %d, allowed is 1 to 10000", b.runs)
	case b.plain && b.embedded == 0:
		return usagef("--plain is for embedded servers: give --embedded too")
	}
	return b.checkEmbedded()
}

// benchHub returns a name that no hub has.
func benchHub() string { return "bench_" + nuid.Next() }

// embeddedFlag declares the flag of both benchmarks for servers in this process.
func (t *trial) embeddedFlag(cmd *fisk.CmdClause) {
	cmd.Flag("embedded", "Run that many NATS servers in this process (1 or 3) instead of using yours").PlaceHolder("N").Validator(isNumber).IntVar(&t.embedded)
}

func (t *trial) checkEmbedded() error {
	if t.embedded != 0 && t.embedded != 1 && t.embedded != 3 {
		return usagef("--embedded: found %d, allowed is 1 or 3", t.embedded)
	}
	return nil
}

// bringUp starts what a benchmark measures.
func (t *trial) bringUp(ctx context.Context, nodes, children int) error {
	if err := t.open(); err != nil {
		return err
	}
	t.say("Starting %d nodes and %s in hub %s", nodes, plural(children, "child", "children"), t.hub)
	if err := t.startNodes(ctx, nodes); err != nil {
		return err
	}
	began := time.Now()
	if _, err := t.startChildren(ctx, children); err != nil {
		return err
	}
	t.say("%s with %d replicas: all run after %.2f s", plural(children, "child", "children"), 2*children, time.Since(began).Seconds())
	return nil
}
