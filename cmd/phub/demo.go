package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/choria-io/fisk"
)

// The demo's measures.
const (
	demoHub      = "demo"
	demoServers  = 3
	demoNodes    = 3
	demoChildren = 6
	demoLimit    = 60 * time.Second // it takes about 6 s; after this something is wrong
)

func (a *app) addDemo(cli *fisk.Application) {
	d := &demo{trial: trial{app: a, hub: demoHub, embedded: demoServers}}
	cmd := cli.Command("demo", "See a failover in one terminal: servers, nodes, kill -9").Action(a.does(d.run))
	cmd.HelpLong("Starts three NATS servers in this process and three nodes as processes of their own, on ports of " +
		"127.0.0.1 that are free, sends requests all the time, kills nodes with SIGKILL, and counts what failed. " +
		"Exit code 0 means: no request failed, and never were two replicas active at once.")
	cmd.Flag("verbose", "Show the log of the nodes on stderr").Short('v').UnNegatableBoolVar(&d.verbose)
}

// demo is one run of phub demo.
type demo struct {
	trial
	began  time.Time
	load   *load
	report demoReport
}

// demoReport is the demo's outcome.
type demoReport struct {
	Failovers  []failover `json:"failovers"`
	Requests   int        `json:"requests"`
	Failed     int        `json:"failed"`
	Retried    int        `json:"retried"`
	DualActive int        `json:"dual_active"`
}

// failover is one kill, and what came of it.
type failover struct {
	Killed string  `json:"killed"`
	Child  string  `json:"child"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Epoch  uint64  `json:"epoch"`
	Millis float64 `json:"ms"`
}

func (d *demo) run(ctx context.Context) (err error) {
	d.began = time.Now()
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	defer func() { err = errors.Join(err, d.cleanUp()) }()
	if err := d.start(ctx); err != nil {
		return d.blame(ctx, err)
	}
	if err := d.play(ctx); err != nil {
		return d.blame(ctx, err)
	}
	return d.end()
}

// start brings up servers, nodes, children and the stream of requests.
func (d *demo) start(ctx context.Context) error {
	d.say("Starting a NATS cluster of three servers in this process …")
	if err := d.open(); err != nil {
		return err
	}
	d.started = func(p *nodeProcess) { d.say("%s started as process %d", p.name, p.pid()) }
	if err := d.startNodes(ctx, demoNodes); err != nil {
		return err
	}
	if err := d.watch(ctx); err != nil {
		return err
	}
	d.say("Starting %d children with two replicas each, one active and one passive", demoChildren)
	children, err := d.startChildren(ctx, demoChildren)
	if err != nil {
		return err
	}
	d.load = startLoad(d.client, children)
	return nil
}

// watch prints modes as they change.
func (d *demo) watch(ctx context.Context) error {
	changes, err := d.client.Watch(ctx)
	if err != nil {
		return err
	}
	go func() { // ends with ctx, which ends with the demo
		for change, err := range changes {
			if err == nil && change.Mode != nil {
				m := change.Mode
				d.say("  %-8s %s %-8s epoch %-12d %s", m.Child, m.Node, d.app.modeCell(m.Mode), m.Epoch, m.Reason)
			}
		}
	}()
	return nil
}

// say prints a line with the time since the start.
func (d *demo) say(format string, args ...any) {
	d.trial.say("%6.2fs  %s", time.Since(d.began).Seconds(), textf(format, args...))
}

// end prints the outcome.
func (d *demo) end() error {
	d.load.stop()
	r := &d.report
	r.Requests, r.Failed, r.Retried, r.DualActive = d.load.counts()
	if d.app.json {
		if err := d.app.printJSON(r); err != nil {
			return err
		}
	} else {
		d.summary()
	}
	if r.Failed > 0 || r.DualActive > 0 {
		return hint{
			fmt.Errorf("%s failed, %d answers show two active replicas%s", plural(r.Failed, "request", "requests"), r.DualActive, d.load.firstError()),
			"phub demo --verbose",
		}
	}
	return nil
}

func (d *demo) summary() {
	r := &d.report
	d.say("Done.")
	t := newTable("KILLED", "CHILD", "FROM", "TO", "EPOCH", "TAKEOVER")
	for _, f := range r.Failovers {
		t.add(f.Killed, f.Child, f.From, f.To, fmt.Sprint(f.Epoch), fmt.Sprintf("%.1f ms", f.Millis))
	}
	d.print.Lock() // modes may still change
	defer d.print.Unlock()
	d.app.printf("\n")
	t.print(d.app.out)
	d.app.printf("\n%d requests: %s failed, %d had to be sent again; %d times two replicas were active at once.\n",
		r.Requests, d.app.paint(green, fmt.Sprint(r.Failed)), r.Retried, r.DualActive)
	d.app.printf("Next: phub dev, and a second terminal.\n")
}

func (d *demo) cleanUp() error {
	if d.load != nil {
		d.load.stop()
	}
	return d.close()
}
