package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func (a *app) addNode(cli *fisk.Application) {
	node := cli.Command("node", "Run a node, list nodes").Alias("nodes")
	a.addNodeRun(node)
	node.Command("ls", "List the nodes of the hub (read-only)").Alias("list").Action(a.does(a.asking(a.nodeLs)))
	a.addNodeInfo(node)
	a.addNodeDrain(node)
}

func (a *app) nodeLs(ctx context.Context, client *phub.Client) error {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(nodes)
	}
	a.nodeTable(nodes.Nodes)
	return nil
}

func (a *app) nodeTable(nodes []phub.NodeInfo) {
	t := newTable("NODE", "STATUS", "COORDINATOR", "CHILDREN", "ACTIVE", "CAPACITY", "AGE", "LABELS", "KINDS")
	for i := range nodes {
		n := &nodes[i]
		children, active := loadCells(n)
		t.add(n.Node, a.statusCell(n), coordinatorCell(n), children, active,
			fmt.Sprint(max(n.Capacity, 1)), ageCell(n), dash(pairs(n.Labels)), dash(strings.Join(n.Kinds, ",")))
	}
	t.print(a.out)
}

// statusCell shows what a node's record says, and whether the view agrees.
func (a *app) statusCell(n *phub.NodeInfo) text {
	switch {
	case n.Status == protocol.Lost:
		return a.paint(red, n.Status)
	case !n.Status.Alive():
		return a.paint(grey, n.Status)
	case !n.Member:
		return a.paint(yellow, n.Status+", no member")
	case n.Status == protocol.Draining:
		return a.paint(yellow, n.Status)
	}
	return a.paint(green, n.Status)
}

func coordinatorCell(n *phub.NodeInfo) string {
	if n.Coordinator {
		return "yes"
	}
	return "-"
}

// loadCells shows how many replicas a node runs. The record of one that is gone has what it ran last.
func loadCells(n *phub.NodeInfo) (children, active string) {
	if !n.Member && !n.Status.Alive() {
		return "-", "-"
	}
	return fmt.Sprint(n.Children), fmt.Sprint(n.Active)
}

// ageCell shows for how long a node's process has run. Of one that is gone nobody knows when it ended.
func ageCell(n *phub.NodeInfo) string {
	if !n.Member && !n.Status.Alive() {
		return "-"
	}
	return age(n.Started)
}

// age returns how long ago a time in a record was, for people.
func age(started string) string {
	t, err := time.Parse(time.RFC3339Nano, started)
	if err != nil {
		return "-"
	}
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
