package main

import (
	"context"
	"errors"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type nodeDrain struct {
	app    *app
	node   string
	cancel bool
}

func (a *app) addNodeDrain(parent *fisk.CmdClause) {
	c := &nodeDrain{app: a}
	cmd := parent.Command("drain", "Give all that a node has to other nodes, without a gap, and give it nothing new").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.HelpLong("The node stays a member, empty, until --cancel or until its process ends. The command shows how far it is and " +
		"ends when the node is empty; interrupted, or after --timeout, the drain goes on, and the same command waits for " +
		"it again. What can't be moved is named with the reason. Exit code 1 says that the node is not empty.")
	cmd.Arg("node", "Name of the node").Required().StringVar(&c.node)
	cmd.Flag("cancel", "End the drain: the node gets its share again").UnNegatableBoolVar(&c.cancel)
}

func (c *nodeDrain) check() error { return inFlags(protocol.ValidateNode(c.node), nil) }

func (c *nodeDrain) run(ctx context.Context, client *phub.Client) error {
	if c.cancel {
		s, err := client.CancelDrain(ctx, c.node)
		if err != nil {
			return err
		}
		return c.show(s, "%s drains no more\n", s.Node)
	}
	total, bar := 0, c.app.progressOf("moved")
	s, err := client.Drain(ctx, c.node, func(s phub.DrainState) {
		total = max(total, s.Children)
		bar.update(total-s.Children, total)
	})
	bar.end()
	if errors.Is(err, phub.ErrNotEmpty) {
		c.app.stuck(s)
		return hint{err, "the same command again to wait on; --cancel to end the drain"}
	}
	if err != nil {
		return err
	}
	return c.show(s, "%s is empty: %s moved\n", s.Node, plural(total, "child", "children"))
}

func (c *nodeDrain) show(s phub.DrainState, format string, args ...any) error {
	if c.app.json {
		return c.app.printJSON(s)
	}
	c.app.printf(format, args...)
	return nil
}

// stuck names what can't leave a node, and why.
func (a *app) stuck(s phub.DrainState) {
	for _, x := range s.Stuck {
		a.warnf("%s: %s\n", x.Child, x.Reason)
	}
	if more := s.StuckInAll - len(s.Stuck); more > 0 {
		a.warnf("… and %d more\n", more)
	}
}
