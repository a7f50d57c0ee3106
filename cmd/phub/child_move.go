package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childMove struct {
	app      *app
	id, node string
}

func (a *app) addChildMove(parent *fisk.CmdClause) {
	c := &childMove{app: a}
	cmd := parent.Command("move", "Move the active replica of a child to a node, without a gap").Alias("mv").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("id", "Name of the child").Required().StringVar(&c.id)
	cmd.Arg("node", "Node that is to be active for it").Required().StringVar(&c.node)
}

func (c *childMove) check() error {
	return inFlags(cmp.Or(protocol.ValidateChild(c.id), protocol.ValidateNode(c.node)), nil)
}

func (c *childMove) run(ctx context.Context, client *phub.Client) error {
	result, err := client.Move(ctx, c.id, c.node)
	if _, ok := errors.AsType[*phub.ChildrenError](err); err != nil && !ok {
		return err
	}
	return c.app.report("moved", []phub.ChildResult{result}, err)
}
