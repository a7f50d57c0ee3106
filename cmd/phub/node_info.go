package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type nodeInfo struct {
	app  *app
	name string
}

func (a *app) addNodeInfo(parent *fisk.CmdClause) {
	c := &nodeInfo{app: a}
	cmd := parent.Command("info", "Show all that is known of a node (read-only)").Alias("view").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("node", "Name of the node").Required().StringVar(&c.name)
}

func (c *nodeInfo) check() error { return inFlags(protocol.ValidateNode(c.name), nil) }

func (c *nodeInfo) run(ctx context.Context, client *phub.Client) error {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	for i := range nodes.Nodes {
		if n := &nodes.Nodes[i]; n.Node == c.name {
			return c.show(n)
		}
	}
	return hint{fmt.Errorf("hub %s has no node %s", c.app.hub, c.name), "phub node ls"}
}

func (c *nodeInfo) show(n *phub.NodeInfo) error {
	if c.app.json {
		return c.app.printJSON(n)
	}
	t := &table{}
	t.add("Node", n.Node)
	t.add("Incarnation", n.ID)
	t.add("Status", c.app.statusCell(n))
	t.add("Coordinator", coordinatorCell(n))
	t.add("Children", fmt.Sprintf("%s, %d active", plural(n.Children, "replica", "replicas"), n.Active))
	t.add("Capacity", fmt.Sprint(max(n.Capacity, 1)))
	t.add("Labels", dash(pairs(n.Labels)))
	t.add("Kinds", dash(strings.Join(n.Kinds, ", ")))
	t.add("Version", dash(n.Version))
	t.add("Started", fmt.Sprintf("%s (%s ago)", n.Started, age(n.Started)))
	t.add("Connection", fmt.Sprintf("client %d of server %s", n.Conn.Client, n.Conn.Server))
	if n.Reason != "" {
		t.add("Reason", n.Reason)
	}
	t.print(c.app.out)
	return nil
}
