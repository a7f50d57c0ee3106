package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
)

// The demo's measures.
const (
	demoHub      = "demo"
	demoNodes    = 3
	demoChildren = 6
	demoLimit    = 60 * time.Second // it takes about 6 s; after this something is wrong
)

func (a *app) addDemo(cli *fisk.Application) {
	d := &demo{app: a}
	cmd := cli.Command("demo", "See a failover in one terminal: servers, nodes, kill -9").Action(a.does(d.run))
	cmd.HelpLong("Starts three NATS servers in this process and three nodes as processes of their own, on ports of " +
		"127.0.0.1 that are free, sends requests all the time, kills nodes with SIGKILL, and counts what failed. " +
		"Exit code 0 means: no request failed, and never were two replicas active at once.")
	cmd.Flag("verbose", "Show the log of the nodes on stderr").Short('v').UnNegatableBoolVar(&d.verbose)
}

// demo is one run of phub demo.
type demo struct {
	app     *app
	verbose bool
	began   time.Time
	print   sync.Mutex
	servers *natsembed.Cluster
	nodes   map[string]*nodeProcess
	nc      *nats.Conn
	client  *phub.Client
	load    *load
	report  demoReport
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
	d.nodes = map[string]*nodeProcess{}
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	defer func() { err = errors.Join(err, d.cleanUp()) }()
	if err := d.start(ctx); err != nil {
		return d.blame(err)
	}
	if err := d.play(ctx); err != nil {
		return d.blame(err)
	}
	return d.end()
}

// start brings up servers, nodes, children and the stream of requests.
func (d *demo) start(ctx context.Context) error {
	d.say("Starting a NATS cluster of three servers in this process …")
	var err error
	if d.servers, err = natsembed.StartCluster(3, natsembed.Config{Name: "demo", Account: embeddedAccount, System: true}); err != nil {
		return err
	}
	if d.client, err = d.connect(); err != nil {
		return err
	}
	for i := range demoNodes {
		if err := d.startNode(i); err != nil {
			return err
		}
		if i > 0 && i < demoNodes-1 {
			continue // the first makes the hub, the others join it together
		}
		if err := d.settle(ctx, i+1); err != nil {
			return err
		}
	}
	if err := d.watch(ctx); err != nil {
		return err
	}
	return d.startChildren(ctx)
}

func (d *demo) connect() (*phub.Client, error) {
	nc, err := nats.Connect(d.servers.URL(), nats.Name("phub demo"), nats.MaxReconnects(-1))
	if err != nil {
		return nil, fmt.Errorf("connect to the demo's servers: %w", err)
	}
	d.nc = nc
	return phub.NewClient(nc, demoHub)
}

// startNode starts node number i (from 0), connected to the server of that number first.
func (d *demo) startNode(i int) error {
	name := fmt.Sprintf("node%d", i+1)
	var log io.Writer
	if d.verbose {
		log = d.app.err
	}
	server := d.servers.Servers[i%len(d.servers.Servers)].URL()
	p, err := startNode(name, demoHub, server, nil, nil, log)
	if err != nil {
		return err
	}
	d.nodes[name] = p
	d.say("%s started as process %d", name, p.pid())
	return nil
}

func (d *demo) startChildren(ctx context.Context) error {
	specs := make([]phub.Spec, demoChildren)
	for i := range specs {
		specs[i] = phub.Spec{
			Child: fmt.Sprintf("child%d", i+1), Kind: "echo",
			Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive, Signal: phub.SignalAll},
		}
	}
	d.say("Starting %d children with two replicas each, one active and one passive", demoChildren)
	results, err := d.client.Start(ctx, specs, nil)
	if err != nil {
		return err
	}
	for i := range results {
		if wrong := troubles(&results[i]); len(wrong) > 0 {
			return fmt.Errorf("start %s: %s", results[i].Child, wrong[0])
		}
	}
	d.load = startLoad(d.client, specs)
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
				d.say("  %-8s %s %-8s epoch %-4d %s", m.Child, m.Node, d.app.modeCell(m.Mode), m.Epoch, m.Reason)
			}
		}
	}()
	return nil
}

// say prints a line with the time since the start; nothing with --json.
func (d *demo) say(format string, args ...any) {
	if d.app.json {
		return
	}
	d.print.Lock()
	defer d.print.Unlock()
	fmt.Fprintf(d.app.out, "%6.2fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
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
	fmt.Fprintln(d.app.out)
	t.print(d.app.out)
	fmt.Fprintf(d.app.out, "\n%d requests: %s failed, %d had to be sent again; %d times two replicas were active at once.\n",
		r.Requests, d.app.paint(green, fmt.Sprint(r.Failed)), r.Retried, r.DualActive)
	fmt.Fprintln(d.app.out, "Next: phub dev, and a second terminal.")
}

// blame adds what a node said last, if one ended by itself.
func (d *demo) blame(err error) error {
	for _, name := range sortedKeys(d.nodes) {
		p := d.nodes[name]
		select {
		case <-p.done:
			if said := p.log.String(); said != "" && !p.killed() {
				return fmt.Errorf("%w\n%s ended: %v; it said:\n%s", err, name, p.err, said)
			}
		default:
		}
	}
	return err
}

// killed reports whether the process ended by SIGKILL. Call it after done.
func (p *nodeProcess) killed() bool { return p.cmd.ProcessState.ExitCode() == -1 }

func (d *demo) cleanUp() error {
	if d.load != nil {
		d.load.stop()
	}
	nodes := make([]*nodeProcess, 0, len(d.nodes))
	for _, p := range d.nodes {
		nodes = append(nodes, p)
	}
	stopAll(nodes)
	if d.nc != nil {
		d.nc.Close()
	}
	if d.servers == nil {
		return nil
	}
	return d.servers.Close()
}
