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
	cmd.HelpLong("The first line is the verdict: OK, WARNING or CRITICAL, and the lines below it say why. CRITICAL: a child has no living replica. " +
		"WARNING: less is there than is wanted, a replica keeps failing, or a node is lost; its record is kept for an hour, or until a node of that name joins. " +
		"Exit code 0 says that the hub answered and the verdict is OK or WARNING; 1, that it is CRITICAL, or that no hub answered.")
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
		err = c.app.printJSON(statusJSON{st, health, problems, nodes.Nodes, children})
	} else {
		c.app.healthLine(&st, health, problems)
		c.screen(&st, nodes.Nodes, children)
	}
	if err == nil && health == healthCritical {
		err = errSilent
	}
	return err
}

func (c *status) screen(st *phub.Status, nodes []phub.NodeInfo, children []phub.ChildInfo) {
	c.app.printf("\n")
	c.app.nodeTable(nodes)
	if c.limit > 0 {
		c.app.printf("\n")
		c.app.childTable(children)
	}
	if more := st.Children - len(children); more > 0 {
		c.app.printf("… and %d more: phub child ls\n", more)
	}
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

// The verdicts.
const (
	healthOK       = "OK"
	healthWarning  = "WARNING"
	healthCritical = "CRITICAL"
)

// judge returns the verdict on a hub, and what is wrong with it.
func judge(st *phub.Status) (health string, problems []string) {
	health, problems = healthOK, []string{}
	warn := func(found bool, level, format string, args ...any) {
		if !found {
			return
		}
		problems = append(problems, fmt.Sprintf(format, args...))
		if health != healthCritical {
			health = level
		}
	}
	warn(st.NoActive > 0, healthCritical, "%s without a living replica%s", plural(st.NoActive, "child", "children"), named(st.Named.NoActive, st.NoActive))
	warn(st.Incomplete > 0, healthWarning, "%s with fewer replicas than wanted%s", plural(st.Incomplete, "child", "children"), named(st.Named.Incomplete, st.Incomplete))
	warn(st.Failed > 0, healthWarning, "%s given up by a node%s", plural(st.Failed, "child", "children"), named(st.Named.Failed, st.Failed))
	warn(st.Failing > 0, healthWarning, "%s with a replica that keeps failing%s", plural(st.Failing, "child", "children"), named(st.Named.Failing, st.Failing))
	warn(st.Lost > 0, healthWarning, "%s lost%s", plural(st.Lost, "node", "nodes"), named(st.Named.Lost, st.Lost))
	warn(!st.Settled, healthWarning, "view %d not carried out everywhere yet", st.View)
	warn(len(st.BadEntries) > 0, healthWarning, "foreign entries in the buckets: %s", strings.Join(st.BadEntries, ", "))
	warn(len(st.Trouble) > 0, healthWarning, "NATS does not do what the hub needs: %s", strings.Join(st.Trouble, "; "))
	return health, problems
}

// namesShown is how many names one line of the status screen has.
const namesShown = 5

// named lists the first names of all that there are.
func named(names []string, all int) string {
	if len(names) == 0 {
		return ""
	}
	shown := names[:min(len(names), namesShown)]
	text := ": " + strings.Join(shown, ", ")
	if more := all - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// healthLine prints the verdict and the numbers.
func (a *app) healthLine(st *phub.Status, health string, problems []string) {
	colour := map[string]int{healthOK: green, healthWarning: yellow, healthCritical: red}[health]
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
