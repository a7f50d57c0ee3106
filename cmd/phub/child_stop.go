package main

import (
	"context"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childStop struct {
	app   *app
	ids   []string
	count int

	children []string // what ids and count stand for
}

func (a *app) addChildStop(parent *fisk.CmdClause) {
	c := &childStop{app: a}
	cmd := parent.Command("stop", "Stop children on all nodes, for good").Alias("rm").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("id", "Names of the children").Required().StringsVar(&c.ids)
	cmd.Flag("count", "Stop N children for each name: %d in it counts from 1").Short('n').PlaceHolder("N").Validator(isNumber).IntVar(&c.count)
}

func (c *childStop) check() (err error) {
	if c.children, err = counted(c.ids, c.count); err != nil {
		return err
	}
	for _, name := range c.children {
		if err := protocol.ValidateChild(name); err != nil {
			return inFlags(err, nil)
		}
	}
	return nil
}

func (c *childStop) run(ctx context.Context, client *phub.Client) error {
	bar := c.app.progress("stopped", len(c.children))
	results, err := client.Stop(ctx, c.children, bar.update)
	bar.end()
	return c.app.report("stopped", results, err)
}
