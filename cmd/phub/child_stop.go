package main

import (
	"context"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childStop struct {
	app     *app
	ids     []string
	numbers numbered

	children []string // what all of these stand for
}

func (a *app) addChildStop(parent *fisk.CmdClause) {
	c := &childStop{app: a}
	cmd := parent.Command("stop", "Stop children on all nodes, for good").Alias("rm").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("id", "Names of the children").Required().StringsVar(&c.ids)
	c.numbers.flags(cmd, "Stop")
}

func (c *childStop) check() (err error) {
	if c.children, err = c.numbers.names(c.ids); err != nil {
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
