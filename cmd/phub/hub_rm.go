package main

import (
	"bufio"
	"context"
	"strings"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type hubRm struct {
	app *app
	hub string
	yes bool
}

func (a *app) addHubRm(parent *fisk.CmdClause) {
	c := &hubRm{app: a}
	cmd := parent.Command("rm", "Delete a hub that no node serves: its buckets, with its configuration and all its children").Action(a.does(checked(c.check, c.run)))
	cmd.HelpLong("Nothing is deleted while a node answers, or if one wrote in the last 10 s. The NATS user needs the right to look up and delete the three " +
		"streams KV_phub_HUB_nodes, _children and _placement. phub hub export saves what the hub is to be.")
	cmd.Arg("hub", "Name of the hub").Required().StringVar(&c.hub)
	cmd.Flag("yes", "Don't ask").UnNegatableBoolVar(&c.yes)
}

func (c *hubRm) check() error {
	if err := protocol.ValidateHub(c.hub); err != nil {
		return inFlags(err, nil)
	}
	if c.yes || isTerminal(c.app.in) {
		return nil
	}
	return usagef("found no --yes, and no terminal to ask on whether hub %s is to be deleted", c.hub)
}

func (c *hubRm) run(ctx context.Context) error {
	if !c.yes && !c.confirmed() {
		return hint{usagef("hub %s stays: found another answer than its name", c.hub), "--yes"}
	}
	domain, err := c.app.conn.domain()
	if err != nil {
		return err
	}
	ctx, cancel := c.app.deadline(ctx)
	defer cancel()
	nc, err := c.app.conn.connect(nats.ErrorHandler(c.app.asyncError), before(ctx))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := phub.RemoveHub(ctx, nc, c.hub, domain); err != nil {
		return err
	}
	if c.app.json {
		return c.app.printJSON(map[string]string{"removed": c.hub})
	}
	c.app.printf("hub %s is removed\n", c.hub)
	return nil
}

// confirmed asks for the name of the hub.
func (c *hubRm) confirmed() bool {
	c.app.warnf("Hub %s, its configuration and all its children will be deleted. Type its name to go on: ", c.hub)
	line, _ := bufio.NewReader(c.app.in).ReadString('\n') // nothing is no name
	return strings.TrimSpace(line) == c.hub
}
