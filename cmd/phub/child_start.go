package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childStart struct {
	app      *app
	ids      []string
	kind     string
	replicas string
	model    string
	signal   string
	restart  string
	limit    time.Duration
	args     []string
	metadata []string
	tag      string
	numbers  numbered
	file     string

	children []phub.Spec // what all of these ask for
}

// startFlags are the flags that give the fields of a spec.
var startFlags = map[string]string{
	"kind": "--kind", "handler_limit": "--handler-limit", "args": "--arg", "metadata": "--metadata, --tag", "args and metadata": "--arg, --metadata",
	"replication_factor": "--replicas", "redundancy.replication_factor": "--replicas",
}

func (a *app) addChildStart(parent *fisk.CmdClause) {
	c := &childStart{app: a}
	cmd := parent.Command("start", "Start children and wait until their replicas run").Alias("add").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("Exit code 0 means that every replica of every child runs. Starting a child again with the same " +
		"settings changes nothing. A file holds child specs in YAML or JSON: one, a list, or {children: [...]}; - is stdin.")
	cmd.Arg("id", "Names of the children").StringsVar(&c.ids)
	cmd.Flag("kind", "Which worker they run: echo, counter, exec, or one of yours").Short('k').PlaceHolder("KIND").StringVar(&c.kind)
	cmd.Flag("replicas", "How many replicas: a number, or cluster_size").Short('r').PlaceHolder("N").StringVar(&c.replicas)
	choice(cmd, "model", "Which replicas take requests", models).PlaceHolder("MODEL").StringVar(&c.model)
	choice(cmd, "signal", "Which replicas are told of their mode", signals).PlaceHolder("SIGNAL").StringVar(&c.signal)
	choice(cmd, "restart", "When a worker that ended is restarted", policies).PlaceHolder("POLICY").StringVar(&c.restart)
	cmd.Flag("handler-limit", "How long a handler may run before its replica is restarted, such as 30s; by default as long as it likes").
		PlaceHolder("TIME").Validator(isDuration).DurationVar(&c.limit)
	cmd.Flag("arg", "Argument of the worker, as key=value").Short('a').PlaceHolder("K=V").StringsVar(&c.args)
	cmd.Flag("metadata", "Metadata of the children, as key=value").PlaceHolder("K=V").StringsVar(&c.metadata)
	cmd.Flag("tag", "Tag, to list them by").PlaceHolder("TAG").StringVar(&c.tag)
	c.numbers.flags(cmd, "Start")
	cmd.Flag("file", "File with child specs").Short('f').PlaceHolder("FILE").StringVar(&c.file)
}

func (c *childStart) check() (err error) {
	c.children, err = c.specs()
	return err
}

func (c *childStart) run(ctx context.Context, client *phub.Client) error {
	bar := c.app.progress("started", len(c.children))
	results, err := client.Start(ctx, c.children, bar.update)
	bar.end()
	return c.app.report("started", results, err)
}

// specs returns what the flags and the file ask for.
func (c *childStart) specs() ([]phub.Spec, error) {
	switch {
	case c.file == "" && len(c.ids) == 0:
		return nil, usagef("found no child to start: give names, or --file")
	case c.file == "":
		return c.fromFlags()
	case len(c.ids) > 0 || c.describes():
		return nil, usagef("--file: its specs say all of it; leave out names and the flags that describe children")
	case c.file == stdinMark:
		return parseStdin(c.app.in)
	}
	specs, err := phub.FromFile(c.file)
	if err != nil {
		return nil, usageError{err}
	}
	return specs, nil
}

// describes reports whether a flag is given that says what children are like.
func (c *childStart) describes() bool {
	return c.kind+c.replicas+c.model+c.signal+c.restart+c.tag != "" || c.limit != 0 || len(c.args)+len(c.metadata) > 0 || c.numbers.count != 0 || c.numbers.from != 1
}

func (c *childStart) fromFlags() ([]phub.Spec, error) {
	model, err := c.template()
	if err != nil {
		return nil, err
	}
	names, err := c.numbers.names(c.ids)
	if err != nil {
		return nil, err
	}
	specs := make([]phub.Spec, len(names))
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		specs[i] = model
		specs[i].Child = name
		if err := specs[i].Validate(); err != nil {
			return nil, inFlags(err, startFlags)
		}
		if seen[name] {
			return nil, usagef("found the name %q twice, want each once: a name stands for one child of the hub", name)
		}
		seen[name] = true
	}
	return specs, nil
}

// template returns the spec that all children of the flags share.
func (c *childStart) template() (phub.Spec, error) {
	s := phub.Spec{Kind: c.kind, Restart: phub.Restart{Policy: protocol.RestartPolicy(c.restart)}, HandlerLimit: protocol.Duration(c.limit)}
	if c.kind == "" {
		return s, hint{usagef("--kind is missing: which worker the children run"), "--kind echo, or --kind counter"}
	}
	var err error
	if s.Args, err = parsePairs("arg", c.args); err != nil {
		return s, err
	}
	if s.Metadata, err = parsePairs("metadata", c.metadata); err != nil {
		return s, err
	}
	if c.tag != "" {
		if s.Metadata == nil {
			s.Metadata = map[string]string{}
		}
		s.Metadata[protocol.TagKey] = c.tag
	}
	s.Redundancy.Model, s.Redundancy.Signal = protocol.Model(c.model), protocol.Signal(c.signal)
	if c.replicas == "" {
		return s, nil
	}
	if s.Redundancy.Factor, err = protocol.ParseFactor(c.replicas); err != nil {
		return s, inFlags(err, startFlags)
	}
	return s, nil
}

// maxCount bounds --count: a slip of the finger should not fill a hub.
const maxCount = 1_000_000

// numbered says how many children each name stands for: --count and --from.
type numbered struct{ count, from int }

func (n *numbered) flags(cmd *fisk.CmdClause, verb string) {
	cmd.Flag("count", verb+" N children for each name: %d in it counts from 1").Short('n').PlaceHolder("N").Validator(isNumber).IntVar(&n.count)
	cmd.Flag("from", "With --count: the first number, by default 1").PlaceHolder("N").Default("1").Validator(isNumber).IntVar(&n.from)
}

// names returns each name as often as --count says, with %d counting from --from. Without --count it returns them as
// they are.
func (n *numbered) names(names []string) ([]string, error) {
	switch {
	case n.count == 0 && n.from != 1:
		return nil, usagef("--from: found %d, want it with --count only", n.from)
	case n.from < 0 || n.from > maxCount:
		return nil, usagef("--from: found %d, want 0 to %d", n.from, maxCount)
	}
	return counted(names, n.count, n.from)
}

func counted(names []string, n, from int) ([]string, error) {
	switch {
	case n == 0:
		return names, nil
	case n < 0 || n > maxCount:
		return nil, usagef("--count: found %d, want 1 to %d", n, maxCount)
	}
	all := make([]string, 0, len(names)*n)
	for _, name := range names {
		if n > 1 && !strings.Contains(name, "%d") {
			return nil, hint{usagef("--count: found the name %q, want one with %%d in it", name), name + "%d"}
		}
		for i := range n {
			all = append(all, strings.ReplaceAll(name, "%d", strconv.Itoa(from+i)))
		}
	}
	return all, nil
}
