package main

import (
	"context"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
)

type childStop struct {
	app   *app
	ids   []string
	count int
}

func (a *app) addChildStop(parent *fisk.CmdClause) {
	c := &childStop{app: a}
	cmd := parent.Command("stop", "Stop children on all nodes, for good").Alias("rm").Action(a.does(a.asking(c.run)))
	cmd.Arg("id", "Names of the children").Required().StringsVar(&c.ids)
	cmd.Flag("count", "Stop N children for each name: %d in it counts from 1").Short('n').PlaceHolder("N").Validator(isNumber).IntVar(&c.count)
}

func (c *childStop) run(ctx context.Context, client *phub.Client) error {
	names, err := counted(c.ids, c.count)
	if err != nil {
		return err
	}
	bar := c.app.progress("stopped", len(names))
	results, err := client.Stop(ctx, names, bar.update)
	bar.end()
	if err != nil && results == nil {
		return usageError{err}
	}
	return c.app.report("stopped", results, err)
}
