package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childPromote struct {
	app      *app
	id, node string
}

func (a *app) addChildPromote(parent *fisk.CmdClause) {
	c := &childPromote{app: a}
	cmd := parent.Command("promote", "Have the next passive replica of a child become active, or one that is named, without a gap").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("id", "Name of the child").Required().StringVar(&c.id)
	cmd.Arg("node", "Node of the replica; by default the first that is ready").StringVar(&c.node)
}

func (c *childPromote) check() error {
	if err := protocol.ValidateChild(c.id); err != nil || c.node == "" {
		return inFlags(err, nil)
	}
	return inFlags(protocol.ValidateNode(c.node), nil)
}

func (c *childPromote) run(ctx context.Context, client *phub.Client) error {
	info, err := client.Info(ctx, c.id)
	if err != nil {
		return err
	}
	node, err := c.successor(&info)
	if err != nil {
		return err
	}
	move := childMove{app: c.app, id: c.id, node: node}
	return move.run(ctx, client)
}

// successor returns the node whose replica is to become active. A child that is active on all of its nodes is left to the hub to
// refuse, which says why.
func (c *childPromote) successor(info *phub.ChildInfo) (string, error) {
	standby := func(r phub.ReplicaState) bool {
		return r.Mode == phub.Passive && r.State == protocol.Running && (c.node == "" || r.Node == c.node)
	}
	if i := slices.IndexFunc(info.Replicas, standby); i >= 0 {
		return info.Replicas[i].Node, nil
	}
	if i := slices.IndexFunc(info.Replicas, func(r phub.ReplicaState) bool { return r.Node == c.node }); i >= 0 && info.Replicas[i].Mode == phub.Active {
		return c.node, nil // it is, or is about to be
	}
	return "", hint{
		fmt.Errorf("child %s has no passive replica that runs%s; its standbys: %s", c.id, onNode(c.node), cmp.Or(nodesIn(phub.Passive, info.Replicas), "none")),
		"phub child move " + c.id + " NODE, which starts one there first",
	}
}

func onNode(node string) string {
	if node == "" {
		return ""
	}
	return " on " + node
}
