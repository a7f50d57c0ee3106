package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
)

// statusChildren is how many children the status screen shows.
const statusChildren = 50

type status struct {
	app   *app
	limit int
}

func (a *app) addStatus(cli *fisk.Application) {
	c := &status{app: a}
	cmd := cli.Command("status", "Health of the hub in one screen (read-only)").Action(a.does(a.asking(c.run)))
	cmd.HelpLong("The first line is the verdict: OK, WARNING or CRITICAL. Exit code 0 says that the hub answered.")
	cmd.Flag("limit", "Show at most N children, 0 for none; default is 50").PlaceHolder("N").Default(fmt.Sprint(statusChildren)).Validator(isCount).IntVar(&c.limit)
}

// statusJSON is the status screen for programs.
type statusJSON struct {
	phub.Status
	Health   string           `json:"health"`
	Problems []string         `json:"problems"`
	NodeList []phub.NodeInfo  `json:"node_list"`
	Shown    []phub.ChildInfo `json:"child_list"`
}

func (c *status) run(ctx context.Context, client *phub.Client) error {
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	children, err := firstChildren(ctx, client, c.limit)
	if err != nil {
		return err
	}
	health, problems := judge(&st)
	if c.app.json {
		return c.app.printJSON(statusJSON{st, health, problems, nodes.Nodes, children})
	}
	c.app.healthLine(&st, health, problems)
	c.app.printf("\n")
	c.app.nodeTable(nodes.Nodes)
	if c.limit > 0 {
		c.app.printf("\n")
		c.app.childTable(children)
	}
	if more := st.Children - len(children); more > 0 {
		c.app.printf("… and %d more: phub child ls\n", more)
	}
	return nil
}

func firstChildren(ctx context.Context, client *phub.Client, limit int) ([]phub.ChildInfo, error) {
	children := []phub.ChildInfo{}
	if limit == 0 {
		return children, nil
	}
	for child, err := range client.List(ctx, phub.Filter{}) {
		if err != nil {
			return nil, err
		}
		if children = append(children, child); len(children) == limit {
			break
		}
	}
	return children, nil
}

// judge returns the verdict on a hub, and what is wrong with it.
func judge(st *phub.Status) (health string, problems []string) {
	health, problems = "OK", []string{}
	warn := func(found bool, level, format string, args ...any) {
		if !found {
			return
		}
		problems = append(problems, fmt.Sprintf(format, args...))
		if health != "CRITICAL" {
			health = level
		}
	}
	warn(st.NoActive > 0, "CRITICAL", "%s without a living replica", plural(st.NoActive, "child", "children"))
	warn(st.Incomplete > 0, "WARNING", "%s with fewer replicas than wanted", plural(st.Incomplete, "child", "children"))
	warn(!st.Settled, "WARNING", "view %d not carried out everywhere yet", st.View)
	warn(len(st.BadEntries) > 0, "WARNING", "foreign entries in the buckets: %s", strings.Join(st.BadEntries, ", "))
	return health, problems
}

// healthLine prints the verdict and the numbers.
func (a *app) healthLine(st *phub.Status, health string, problems []string) {
	colour := map[string]int{"OK": green, "WARNING": yellow, "CRITICAL": red}[health]
	a.printf("%s  hub %s: %s, %s, %d of %s running; view %d, coordinator %s\n",
		a.paint(colour, health), st.Hub, plural(st.Nodes, "node", "nodes"), plural(st.Children, "child", "children"),
		st.Replicas, plural(st.Wanted, "replica", "replicas"), st.View, dash(st.Coordinator.Node))
	for _, p := range problems {
		a.printf("  %s\n", p)
	}
	if text := refusedText(st.Refused); text != "" {
		a.printf("  refused input: %s\n", text)
	}
}

// refusedText says how much input was refused and why; "" if none was.
func refusedText(counts map[string]phub.Refused) string {
	var list []string
	for _, reason := range sortedKeys(counts) {
		r := counts[reason]
		list = append(list, fmt.Sprintf("%s %d (%d in the last minute)", reason, r.Total, r.PerMinute))
	}
	return strings.Join(list, ", ")
}
