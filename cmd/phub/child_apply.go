package main

import (
	"context"
	"fmt"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childApply struct {
	app    *app
	file   string
	prune  bool
	tag    string
	dryRun bool

	children []phub.Spec // what the file says
}

func (a *app) addChildApply(parent *fisk.CmdClause) {
	c := &childApply{app: a}
	cmd := parent.Command("apply", "Make the hub's children what a file says: start, change, stop").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("Children of the file that the hub has not are started, those that differ are changed as child set does, the others are left alone. " +
		"With --prune, children with the tag that the file does not name are stopped, last of all. What a spec leaves open is the hub's default.")
	cmd.Flag("file", "File with child specs, in YAML or JSON; - is stdin").Short('f').Required().PlaceHolder("FILE").StringVar(&c.file)
	cmd.Flag("prune", "Stop the children with --tag that the file does not name").UnNegatableBoolVar(&c.prune)
	cmd.Flag("tag", "With --prune: the tag of the children that the file is about; all of its own must have it").PlaceHolder("TAG").StringVar(&c.tag)
	cmd.Flag("dry-run", "Say what would be done, and do nothing").UnNegatableBoolVar(&c.dryRun)
}

func (c *childApply) check() (err error) {
	switch {
	case c.prune && c.tag == "":
		return usagef("--prune: found no --tag, which says whose children may be stopped")
	case !c.prune && c.tag != "":
		return usagef("--tag: found %q, want it with --prune only", c.tag)
	case c.file == stdinMark:
		c.children, err = parseStdin(c.app.in)
	default:
		if c.children, err = phub.FromFile(c.file); err != nil {
			err = usageError{err}
		}
	}
	if err != nil || !c.prune {
		return err
	}
	for i := range c.children {
		if s := &c.children[i]; s.Metadata[protocol.TagKey] != c.tag {
			return usagef("child %s: found the tag %q, want %q as --tag says: else it would never be pruned", s.Child, s.Metadata[protocol.TagKey], c.tag)
		}
	}
	return nil
}

func (c *childApply) run(ctx context.Context, client *phub.Client) error {
	plan, err := c.plan(ctx, client)
	if err != nil {
		return err
	}
	if c.dryRun {
		return c.app.showApply(plan)
	}
	done, err := c.carryOut(ctx, client, plan)
	if err := c.app.reportAs("applied", "stopped", done, err); err != nil {
		return err
	}
	if !c.app.json {
		c.app.printf("%s\n", plan.summary())
	}
	return nil
}

// applyPlan is what is to be done so that a hub's children are what a file says.
type applyPlan struct {
	Start  []phub.Spec            `json:"start"`
	Change []phub.ChildDifference `json:"change"`
	Stop   []string               `json:"stop"`
	Same   int                    `json:"unchanged"`
}

func (p *applyPlan) summary() string {
	return fmt.Sprintf("%d started, %d changed, %d stopped, %d as they were", len(p.Start), len(p.Change), len(p.Stop), p.Same)
}

// plan compares the file with the hub.
func (c *childApply) plan(ctx context.Context, client *phub.Client) (*applyPlan, error) {
	diff, err := client.Compare(ctx, c.children)
	if err != nil {
		return nil, err
	}
	plan := &applyPlan{diff.Start, diff.Change, []string{}, diff.Same}
	for _, x := range diff.Others {
		if c.prune && x.Spec.Metadata[protocol.TagKey] == c.tag {
			plan.Stop = append(plan.Stop, x.Child)
		}
	}
	return plan, nil
}

// carryOut does what is planned, what is stopped last, and returns what became of each child.
func (c *childApply) carryOut(ctx context.Context, client *phub.Client, plan *applyPlan) ([]phub.ChildResult, error) {
	updates := make([]phub.Update, len(plan.Change))
	for i := range plan.Change {
		updates[i] = plan.Change[i].Update
	}
	var done []phub.ChildResult
	steps := []struct {
		name string
		n    int
		do   func(progress func(done, total int)) ([]phub.ChildResult, error)
	}{
		{"started", len(plan.Start), func(p func(done, total int)) ([]phub.ChildResult, error) { return client.Start(ctx, plan.Start, p) }},
		{"changed", len(updates), func(p func(done, total int)) ([]phub.ChildResult, error) { return client.Update(ctx, updates, p) }},
		{"stopped", len(plan.Stop), func(p func(done, total int)) ([]phub.ChildResult, error) { return client.Stop(ctx, plan.Stop, p) }},
	}
	for _, step := range steps {
		if step.n == 0 {
			continue
		}
		bar := c.app.progress(step.name, step.n)
		results, err := step.do(bar.update)
		bar.end()
		done = append(done, results...)
		if err != nil { // what is to be stopped may serve instead of what did not start
			return done, err
		}
	}
	return done, nil
}

// showApply shows what would be done.
func (a *app) showApply(plan *applyPlan) error {
	if a.json {
		return a.printJSON(plan)
	}
	a.showChanges(plan.Start, plan.Change)
	for _, name := range plan.Stop {
		a.printf("stop    %s\n", name)
	}
	a.printf("to start: %d, to change: %d, to stop: %d, as they are: %d\n", len(plan.Start), len(plan.Change), len(plan.Stop), plan.Same)
	return nil
}

// showChanges shows which children would be started and changed.
func (a *app) showChanges(start []phub.Spec, change []phub.ChildDifference) {
	for i := range start {
		a.printf("start   %s\n", start[i].Child)
	}
	for i := range change {
		a.printf("change  %s  %s\n", change[i].Spec.Child, change[i].Text())
	}
}
