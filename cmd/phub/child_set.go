package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childSet struct {
	app      *app
	ids      []string
	kind     string
	replicas string
	model    string
	signal   string
	restart  string
	limit    string
	args     []string
	noArgs   []string
	metadata []string
	noMeta   []string
	tag      string

	// what these ask for
	factor       phub.Factor
	handlerLimit time.Duration
	setArgs      map[string]string
	setMetadata  map[string]string
}

func (a *app) addChildSet(parent *fisk.CmdClause) {
	c := &childSet{app: a}
	cmd := parent.Command("set", "Change children that run, and wait until that is done").Alias("edit").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("What is not named stays as it is. --kind, --arg and --unset-arg need new workers: replicas are replaced one after the other, " +
		"the active one when a new one is ready, so clients see nothing of it. If a new worker does not run, the change is taken back. All else is " +
		"changed while the workers run. A child that somebody else changed at the same time is left as it is, and named.")
	cmd.Arg("id", "Names of the children").Required().StringsVar(&c.ids)
	cmd.Flag("kind", "Which worker they run").Short('k').PlaceHolder("KIND").StringVar(&c.kind)
	cmd.Flag("replicas", "How many replicas: a number, or cluster_size").Short('r').PlaceHolder("N").StringVar(&c.replicas)
	choice(cmd, "model", "Which replicas take requests", models).PlaceHolder("MODEL").StringVar(&c.model)
	choice(cmd, "signal", "Which replicas are told of their mode", signals).PlaceHolder("SIGNAL").StringVar(&c.signal)
	choice(cmd, "restart", "When a worker that ended is restarted", policies).PlaceHolder("POLICY").StringVar(&c.restart)
	cmd.Flag("handler-limit", "How long a handler may run before its replica is restarted; 0s is as long as it likes").PlaceHolder("TIME").Validator(isDuration).StringVar(&c.limit)
	cmd.Flag("arg", "Argument of the worker, as key=value").Short('a').PlaceHolder("K=V").StringsVar(&c.args)
	cmd.Flag("unset-arg", "Argument that the worker is to have no more").PlaceHolder("K").StringsVar(&c.noArgs)
	cmd.Flag("metadata", "Metadata of the children, as key=value").PlaceHolder("K=V").StringsVar(&c.metadata)
	cmd.Flag("unset-metadata", "Metadata that they are to have no more").PlaceHolder("K").StringsVar(&c.noMeta)
	cmd.Flag("tag", "Tag, to list them by").PlaceHolder("TAG").StringVar(&c.tag)
}

func (c *childSet) check() (err error) {
	for _, id := range c.ids {
		if err := protocol.ValidateChild(id); err != nil {
			return inFlags(err, nil)
		}
	}
	if !c.changes() {
		return hint{usagef("found nothing to change"), "phub child set " + c.ids[0] + " --replicas 3"}
	}
	if c.replicas != "" {
		if c.factor, err = protocol.ParseFactor(c.replicas); err != nil {
			return inFlags(err, startFlags)
		}
	}
	if c.limit != "" {
		if c.handlerLimit, err = time.ParseDuration(c.limit); err != nil {
			return usagef("--handler-limit: %v", err)
		}
	}
	if c.setArgs, err = parsePairs("arg", c.args); err != nil {
		return err
	}
	if c.setMetadata, err = parsePairs("metadata", c.metadata); err != nil {
		return err
	}
	if c.tag != "" {
		c.setMetadata = with(c.setMetadata, map[string]string{protocol.TagKey: c.tag})
	}
	return nil
}

func (c *childSet) changes() bool {
	return c.kind+c.replicas+c.model+c.signal+c.restart+c.limit+c.tag != "" || len(c.args)+len(c.noArgs)+len(c.metadata)+len(c.noMeta) > 0
}

func (c *childSet) run(ctx context.Context, client *phub.Client) error {
	updates := make([]phub.Update, 0, len(c.ids))
	for _, id := range c.ids {
		info, err := client.Info(ctx, id)
		if err != nil {
			return err
		}
		u := phub.Update{Spec: info.Spec.Changed(), Revision: info.Revision}
		if err := c.apply(&u.Spec); err != nil {
			return err
		}
		updates = append(updates, u)
	}
	bar := c.app.progress("changed", len(updates))
	results, err := client.Update(ctx, updates, bar.update)
	bar.end()
	return c.app.report("changed", results, err)
}

// apply changes a spec as the flags say.
func (c *childSet) apply(s *phub.Spec) error {
	if c.kind != "" {
		s.Kind = c.kind
	}
	if err := c.applyRedundancy(s); err != nil {
		return err
	}
	if c.restart != "" {
		s.Restart.Policy = protocol.RestartPolicy(c.restart)
	}
	if c.limit != "" {
		s.HandlerLimit = phub.Duration(c.handlerLimit)
	}
	s.Args = without(with(s.Args, c.setArgs), c.noArgs)
	s.Metadata = without(with(s.Metadata, c.setMetadata), c.noMeta)
	return inFlags(s.Validate(), startFlags)
}

func (c *childSet) applyRedundancy(s *phub.Spec) error {
	r := &s.Redundancy
	if r.Strategy == phub.Singularity && (c.model != "" || c.replicas != "" && c.factor != 1) {
		if c.model == "" {
			return hint{usagef("child %s has one replica and no model: say with --model whether all replicas take requests", s.Child), "--model active_passive, for one that does and others that stand by"}
		}
		r.Strategy = phub.Replication
	}
	if c.replicas != "" {
		r.Factor = c.factor
	}
	if c.model != "" {
		r.Model = protocol.Model(c.model)
	}
	if c.signal != "" {
		r.Signal = protocol.Signal(c.signal)
	}
	return nil
}

// with returns m with more in it.
func with(m, more map[string]string) map[string]string {
	if len(more) == 0 {
		return m
	}
	all := make(map[string]string, len(m)+len(more))
	maps.Copy(all, m)
	maps.Copy(all, more)
	return all
}

// without returns m without some keys.
func without(m map[string]string, keys []string) map[string]string {
	rest := maps.Clone(m)
	maps.DeleteFunc(rest, func(k, _ string) bool { return slices.Contains(keys, k) })
	return rest
}
