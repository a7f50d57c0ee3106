package main

import (
	"context"
	"fmt"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childLs struct {
	app    *app
	filter phub.Filter
	names  bool
}

func (a *app) addChildLs(parent *fisk.CmdClause) {
	c := &childLs{app: a}
	cmd := parent.Command("ls", "List children, with their active and passive nodes (read-only)").Alias("list").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("filter", "Name, or filter over names as in NATS subjects: orders.>").StringVar(&c.filter.Children)
	cmd.Flag("node", "Only children with a replica on this node").PlaceHolder("NODE").StringVar(&c.filter.Node)
	cmd.Flag("tag", "Only children with this tag").PlaceHolder("TAG").StringVar(&c.filter.Tag)
	cmd.Flag("incomplete", "Only children with fewer living replicas than they want").UnNegatableBoolVar(&c.filter.Incomplete)
	cmd.Flag("failed", "Only children that some node gave up, and does not try again yet").UnNegatableBoolVar(&c.filter.Failed)
	cmd.Flag("names", "Print the names only").UnNegatableBoolVar(&c.names)
}

func (c *childLs) check() error {
	if f := c.filter.Children; f != "" {
		if err := protocol.ValidateFilter(f); err != nil {
			return inFlags(err, nil)
		}
	}
	if c.filter.Node == "" {
		return nil
	}
	return inFlags(protocol.ValidateNode(c.filter.Node), map[string]string{"node": "--node"})
}

func (c *childLs) run(ctx context.Context, client *phub.Client) error {
	children := []phub.ChildInfo{}
	for child, err := range client.List(ctx, c.filter) {
		if err != nil {
			return err
		}
		children = append(children, child)
	}
	switch {
	case c.app.json && c.names:
		return c.app.printJSON(childNames(children))
	case c.app.json:
		return c.app.printJSON(children)
	case c.names:
		for _, name := range childNames(children) {
			c.app.printf("%s\n", name)
		}
		return nil
	}
	c.app.childTable(children)
	return nil
}

func childNames(children []phub.ChildInfo) []string {
	names := make([]string, len(children))
	for i := range children {
		names[i] = children[i].Child
	}
	return names
}

func (a *app) childTable(children []phub.ChildInfo) {
	if len(children) == 0 {
		a.printf("No children.\n")
		return
	}
	t := newTable("CHILD", "KIND", "ACTIVE", "EPOCH", "PASSIVE", "REPLICAS", "TAG")
	for i := range children {
		c := &children[i]
		t.add(c.Child, c.Spec.Kind, a.activeCell(c), fmt.Sprint(c.Epoch), dash(nodesIn(phub.Passive, c.Replicas)),
			a.countCell(living(c.Replicas), c.Wanted), dash(value(c.Spec.Metadata[protocol.TagKey])))
	}
	t.print(a.out)
}

// activeCell names the active nodes, or says that there is none.
func (a *app) activeCell(c *phub.ChildInfo) text {
	if nodes := nodesIn(phub.Active, c.Replicas); nodes != "" {
		return a.paint(green, nodes)
	}
	return a.paint(red, "none")
}

// countCell shows how many replicas there are of those wanted.
func (a *app) countCell(have, want int) text {
	s := fmt.Sprintf("%d/%d", have, want)
	if have < want {
		return a.paint(yellow, s)
	}
	return clean(s)
}
