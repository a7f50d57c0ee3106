package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type nodeRun struct {
	app        *app
	name       string
	labels     []string
	capacity   int
	replicas   int
	kinds      string
	config     nodeConfig
	grace      time.Duration
	logJSON    bool
	logLevel   string
	withParent bool
	http       string

	options phub.Options // what all of these ask for
}

// nodeFlags are the flags that give the fields of a node's options.
var nodeFlags = map[string]string{
	"node": "--name", "labels": "--label", "capacity": "--capacity", "replicas": "--bucket-replicas", "js_domain": "--js-domain",
	"redundancy.strategy": "--strategy", "redundancy.replication_factor": "--factor", "replication_factor": "--factor",
	"redundancy.replication_model": "--model", "redundancy.redundancy_signal": "--signal",
	"heartbeat": "--heartbeat", "lease": "--lease", "authority": "--authority", "probe": "--probe", "failover": "--failover", "balance": "--balance",
}

// nodeConfig is what the node asks of the hub.
type nodeConfig struct {
	strategy, factor, model, signal    string
	failover, balance                  string
	heartbeat, lease, authority, probe time.Duration
}

func (a *app) addNodeRun(parent *fisk.CmdClause) {
	c := &nodeRun{app: a}
	cmd := parent.Command("run", "Join the hub as a node, and run children, until interrupted").Action(a.does(checked(c.check, c.run)))
	cmd.HelpLong("SIGINT and SIGTERM make the node hand over its children, for --grace at most, and leave; a second one ends it at once. The kind exec runs any program " +
		"that whoever may start children names, so a node has it only if --kinds says so. The settings of the hub are written by its first node; a node that asks " +
		"for others is refused, unless phub hub set changed them since, and one that asks for none takes the hub's.")
	cmd.Flag("name", "Name of the node; default is the host's name and four random characters").PlaceHolder("NAME").StringVar(&c.name)
	cmd.Flag("label", "Label, such as zone=a: replicas of a child are spread over zones").Short('l').PlaceHolder("K=V").StringsVar(&c.labels)
	cmd.Flag("capacity", "Share of the load relative to other nodes; default is 1").PlaceHolder("N").Validator(isNumber).IntVar(&c.capacity)
	cmd.Flag("bucket-replicas", "Stream replicas of the buckets, if this node makes them; default is up to 3").PlaceHolder("N").Validator(isNumber).IntVar(&c.replicas)
	kindsFlag(cmd, &c.kinds)
	c.config.flags(cmd)
	cmd.Flag("grace", "How long to hand over children when the node is stopped; default is 25s, 0s is at once").PlaceHolder("TIME").Default("25s").Validator(isDuration).DurationVar(&c.grace)
	cmd.Flag("http", "Serve /livez and /readyz over HTTP at this address, such as :8080; off by default").PlaceHolder("ADDR").StringVar(&c.http)
	cmd.Flag("log-json", "Log in JSON").UnNegatableBoolVar(&c.logJSON)
	choice(cmd, "log-level", "Lowest level to log, by default info", logLevels).PlaceHolder("LEVEL").Default("info").StringVar(&c.logLevel)
	cmd.Flag("with-parent", "Leave when stdin ends").Hidden().UnNegatableBoolVar(&c.withParent)
}

func (n *nodeConfig) flags(cmd *fisk.CmdClause) {
	choice(cmd, "strategy", "Hub: redundancy of children that ask for none", strategies).PlaceHolder("NAME").StringVar(&n.strategy)
	cmd.Flag("factor", "Hub: how many replicas children have that don't say: a number, or cluster_size").PlaceHolder("N").StringVar(&n.factor)
	choice(cmd, "model", "Hub: which replicas take requests, for children that don't say", models).PlaceHolder("MODEL").StringVar(&n.model)
	choice(cmd, "signal", "Hub: which replicas are told of their mode, for children that don't say", signals).PlaceHolder("SIGNAL").StringVar(&n.signal)
	cmd.Flag("heartbeat", "Hub: how often nodes renew their lease; default is 500ms").PlaceHolder("TIME").Validator(isDuration).DurationVar(&n.heartbeat)
	cmd.Flag("lease", "Hub: how long a silent node is waited for; default is 2s").PlaceHolder("TIME").Validator(isDuration).DurationVar(&n.lease)
	cmd.Flag("authority", "Hub: how long a silent coordinator is waited for; default is 15s").PlaceHolder("TIME").Validator(isDuration).DurationVar(&n.authority)
	cmd.Flag("probe", "Hub: shortest interval between checks of a node's connection; default is 25ms").PlaceHolder("TIME").Validator(isDuration).DurationVar(&n.probe)
	cmd.Flag("failover", "Hub: auto takes a closed connection for the node's end, strict waits out the lease, fast also disconnects a node that hangs").PlaceHolder("MODE").Validator(failoverMode).StringVar(&n.failover)
	choice(cmd, "balance", "Hub: whether load is moved to even it, by default on", balances).PlaceHolder("MODE").StringVar(&n.balance)
}

// ask returns the configuration to ask of the hub: what is left open is the hub's to say.
func (n *nodeConfig) ask() (phub.Config, error) {
	c := phub.Config{
		Redundancy: phub.Redundancy{Strategy: protocol.Strategy(n.strategy), Model: protocol.Model(n.model), Signal: protocol.Signal(n.signal)},
		Heartbeat:  phub.Duration(n.heartbeat),
		Lease:      phub.Duration(n.lease),
		Authority:  phub.Duration(n.authority),
		Probe:      phub.Duration(n.probe),
		Failover:   protocol.Failover(n.failover),
		Balance:    protocol.Balance(n.balance),
	}
	if n.factor == "" {
		return c, nil
	}
	factor, err := protocol.ParseFactor(n.factor)
	if err != nil {
		return c, inFlags(err, nodeFlags)
	}
	c.Redundancy.Factor = factor
	return c, nil
}

func (c *nodeRun) run(ctx context.Context) error {
	if c.withParent {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() { // ends with stdin, or with the process
			_, _ = io.Copy(io.Discard, c.app.in)
			cancel()
		}()
	}
	if c.http == "" {
		return phub.Run(ctx, c.options)
	}
	return c.runWithHealth(ctx)
}

func (c *nodeRun) check() error {
	labels, err := parsePairs("label", c.labels)
	if err != nil {
		return err
	}
	config, err := c.config.ask()
	if err != nil {
		return err
	}
	if c.name == "" {
		c.name = defaultName()
	}
	domain, err := c.app.conn.domain()
	if err != nil {
		return err
	}
	log := c.logger()
	known, err := kindsOf(c.kinds, log)
	if err != nil {
		return err
	}
	c.options = phub.Options{
		Hub: c.app.hub, Name: c.name, Labels: labels, Capacity: c.capacity,
		Kinds: known, Config: config, Replicas: c.replicas, Domain: domain, Grace: max(c.grace, time.Millisecond),
		Dial:   func(o ...nats.Option) (*nats.Conn, error) { return c.app.conn.connect(o...) },
		Logger: log,
	}
	return inFlags(c.options.Validate(), nodeFlags)
}

func (c *nodeRun) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.logLevel)) // the flag takes only right ones
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(c.app.err, opts)
	if c.logJSON {
		opts.ReplaceAttr = durationText
		h = slog.NewJSONHandler(c.app.err, opts)
	}
	return slog.New(h)
}

// durationText gives durations in JSON their unit, as in phub's values and in the log as text.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// defaultName returns the host's name, with what no name may hold left out, and four random characters.
func defaultName() string {
	host, _ := os.Hostname() // without a name the characters are enough
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		if protocol.ValidateNode("n"+string(r)) != nil {
			return -1
		}
		return r
	}, host)
	host = strings.TrimLeft(host, "_")
	suffix := make([]byte, 2)
	_, _ = rand.Read(suffix) // never fails
	if host == "" {
		host = "node"
	}
	return host[:min(len(host), 50)] + "-" + hex.EncodeToString(suffix)
}
