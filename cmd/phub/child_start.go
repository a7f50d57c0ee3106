package main

import (
	"context"
	"strconv"
	"strings"

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
	args     []string
	metadata []string
	tag      string
	count    int
	file     string
}

func (a *app) addChildStart(parent *fisk.CmdClause) {
	c := &childStart{app: a}
	cmd := parent.Command("start", "Start children and wait until their replicas run").Alias("add").Action(a.does(a.asking(c.run)))
	cmd.HelpLong("Exit code 0 means that every replica of every child runs. Starting a child again with the same " +
		"settings changes nothing. A file holds child specs in YAML or JSON: one, a list, or {children: [...]}; - is stdin.")
	cmd.Arg("id", "Names of the children").StringsVar(&c.ids)
	cmd.Flag("kind", "Which worker they run: echo, counter, exec, or one of yours").Short('k').PlaceHolder("KIND").StringVar(&c.kind)
	cmd.Flag("replicas", "How many replicas: a number, or cluster_size").Short('r').PlaceHolder("N").StringVar(&c.replicas)
	cmd.Flag("model", "Which replicas take requests: active_active or active_passive").PlaceHolder("MODEL").Validator(oneOf("active_active", "active_passive")).StringVar(&c.model)
	cmd.Flag("signal", "Which replicas are told of their mode: none, active, passive or all").PlaceHolder("SIGNAL").Validator(oneOf("none", "active", "passive", "all")).StringVar(&c.signal)
	cmd.Flag("restart", "When a worker that ended is restarted: permanent, transient or temporary").PlaceHolder("POLICY").Validator(oneOf("permanent", "transient", "temporary")).StringVar(&c.restart)
	cmd.Flag("arg", "Argument of the worker, as key=value").Short('a').PlaceHolder("K=V").StringsVar(&c.args)
	cmd.Flag("metadata", "Metadata of the children, as key=value").PlaceHolder("K=V").StringsVar(&c.metadata)
	cmd.Flag("tag", "Tag, to list them by").PlaceHolder("TAG").StringVar(&c.tag)
	cmd.Flag("count", "Start N children for each name: %d in it counts from 1").Short('n').PlaceHolder("N").Validator(isNumber).IntVar(&c.count)
	cmd.Flag("file", "File with child specs").Short('f').PlaceHolder("FILE").StringVar(&c.file)
}

func (c *childStart) run(ctx context.Context, client *phub.Client) error {
	specs, err := c.specs()
	if err != nil {
		return err
	}
	bar := c.app.progress("started", len(specs))
	results, err := client.Start(ctx, specs, bar.update)
	bar.end()
	if err != nil && results == nil {
		return usageError{err}
	}
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
	return c.kind+c.replicas+c.model+c.signal+c.restart+c.tag != "" || len(c.args)+len(c.metadata) > 0 || c.count != 0
}

func (c *childStart) fromFlags() ([]phub.Spec, error) {
	model, err := c.template()
	if err != nil {
		return nil, err
	}
	names, err := counted(c.ids, c.count)
	if err != nil {
		return nil, err
	}
	specs := make([]phub.Spec, len(names))
	for i, name := range names {
		specs[i] = model
		specs[i].Child = name
		if err := specs[i].Validate(); err != nil {
			return nil, usageError{err}
		}
	}
	return specs, nil
}

// template returns the spec that all children of the flags share.
func (c *childStart) template() (phub.Spec, error) {
	s := phub.Spec{Kind: c.kind, Restart: phub.Restart{Policy: protocol.RestartPolicy(c.restart)}}
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
		return s, usagef("--replicas: %w", err)
	}
	return s, nil
}

// maxCount bounds --count: a slip of the finger should not fill a hub.
const maxCount = 1_000_000

// counted returns each name n times, with %d counting from 1. With n = 0 it returns them as they are.
func counted(names []string, n int) ([]string, error) {
	switch {
	case n == 0:
		return names, nil
	case n < 0 || n > maxCount:
		return nil, usagef("--count: found %d, allowed is 1 to %d", n, maxCount)
	}
	all := make([]string, 0, len(names)*n)
	for _, name := range names {
		if n > 1 && !strings.Contains(name, "%d") {
			return nil, hint{usagef("--count: found %q, allowed are names with %%d in them", name), name + "%d"}
		}
		for i := range n {
			all = append(all, strings.ReplaceAll(name, "%d", strconv.Itoa(i+1)))
		}
	}
	return all, nil
}
