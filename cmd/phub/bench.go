package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
)

// bench measures failovers: it runs nodes of its own, kills or stops one, and sees when the children
// that were active there answer from elsewhere.
type bench struct {
	app      *app
	fault    string
	children int
	nodes    int
	runs     int
	embedded int
	failover string
	verbose  bool

	hub     string
	servers *natsembed.Cluster
	nc      *nats.Conn
	client  *phub.Client
	running map[string]*nodeProcess
	report  benchReport
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
	b := &bench{app: a}
	group := cli.Command("bench", "Measure failovers and requests on your own NATS")
	a.addBenchRequest(group)
	cmd := group.Command("failover", "Kill nodes again and again, and time who takes over").Action(a.does(b.run))
	cmd.HelpLong("Starts nodes of its own as processes, in a hub of its own that it deletes in the end, on the NATS that the " +
		"connection flags name, or with --embedded on servers in this process. The time runs from the signal to the " +
		"first answer by another node: of the first and of the last child that was active on the node. Beside it " +
		"stands the limit: how long plain NATS connections take, in the same run, to subscribe as many subjects when " +
		"another one that had as many is closed, and to answer on each. Exit code 0 means: every child came back, and never were two replicas active at once.")
	cmd.Flag("fault", "What happens: kill, coordinator (it is killed), hang or hang-coordinator; default is kill").PlaceHolder("FAULT").Default(faultKill).
		Validator(oneOf(faultKill, faultCoordinator, faultHang, faultHangCoordinator)).StringVar(&b.fault)
	cmd.Flag("failover", "The hub's way of failover, as for node run").PlaceHolder("MODE").Validator(failoverMode).StringVar(&b.failover)
	cmd.Flag("children", "How many children, with two replicas each; default is 1").PlaceHolder("N").Default("1").Validator(isNumber).IntVar(&b.children)
	cmd.Flag("nodes", "How many nodes; default is 3").PlaceHolder("N").Default("3").Validator(isNumber).IntVar(&b.nodes)
	cmd.Flag("runs", "How many failovers; default is 10").PlaceHolder("N").Default("10").Validator(isNumber).IntVar(&b.runs)
	cmd.Flag("embedded", "Run that many NATS servers in this process (1 or 3) instead of using yours").PlaceHolder("N").Validator(isNumber).IntVar(&b.embedded)
	cmd.Flag("verbose", "Show the log of the nodes on stderr").Short('v').UnNegatableBoolVar(&b.verbose)
}

func (b *bench) run(ctx context.Context) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	b.hub, b.running = "bench_"+nuid.Next(), map[string]*nodeProcess{}
	b.report = benchReport{Fault: b.fault, Children: b.children, Nodes: b.nodes, Runs: []benchRun{}}
	defer func() { err = errors.Join(err, b.cleanUp()) }()
	if err := b.start(ctx); err != nil {
		return b.blame(err)
	}
	for i := range b.runs {
		r, err := b.once(ctx)
		if err != nil {
			return b.blame(fmt.Errorf("failover %d: %w", i+1, err))
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
	case b.embedded != 0 && b.embedded != 1 && b.embedded != 3:
		return usagef("--embedded: found %d, allowed is 1 or 3", b.embedded)
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	if !b.app.json {
		fmt.Fprintf(b.app.out, format+"\n", args...)
	}
}
