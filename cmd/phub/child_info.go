package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childInfo struct {
	app *app
	id  string
}

func (a *app) addChildInfo(parent *fisk.CmdClause) {
	c := &childInfo{app: a}
	cmd := parent.Command("info", "Show all that is known of a child (read-only)").Alias("view").Action(a.does(checked(c.check, a.asking(c.run))))
	cmd.Arg("id", "Name of the child").Required().StringVar(&c.id)
}

func (c *childInfo) check() error { return inFlags(protocol.ValidateChild(c.id), nil) }

func (c *childInfo) run(ctx context.Context, client *phub.Client) error {
	info, err := client.Info(ctx, c.id)
	if err != nil {
		return err
	}
	if c.app.json {
		return c.app.printJSON(info)
	}
	c.app.showChild(&info)
	return nil
}

func (a *app) showChild(c *phub.ChildInfo) {
	s := &c.Spec
	t := &table{}
	t.add("Child", c.Child)
	t.add("Kind", s.Kind)
	t.add("Redundancy", redundancyText(s.Redundancy))
	t.add("Restart", fmt.Sprintf("%s, %d in %s", s.Restart.Policy, s.Restart.Max, s.Restart.Within.Std()))
	if s.HandlerLimit > 0 {
		t.add("Handler limit", s.HandlerLimit.Std().String())
	}
	if len(s.Args) > 0 {
		t.add("Args", pairs(s.Args))
	}
	if len(s.Metadata) > 0 {
		t.add("Metadata", pairs(s.Metadata))
	}
	t.add("Epoch", fmt.Sprint(c.Epoch))
	t.add("Replicas", fmt.Sprintf("%d of %d wanted, placed by view %d", living(c.Replicas), c.Wanted, c.View))
	if c.Reason != "" {
		t.add("Reason", c.Reason)
	}
	t.print(a.out)
	a.replicaTable(c)
	for _, r := range c.Replicas {
		if r.Notice != "" {
			a.printf("\nNotice from %s: %s\n", r.Node, r.Notice)
		}
	}
	if c.Omitted > 0 {
		a.printf("… and %d more\n", c.Omitted)
	}
	for _, f := range c.Failed {
		if shown(c.Replicas, f) {
			continue
		}
		a.printf("\nGiven up on %s in view %d: %s\n", f.Node, f.View, a.paint(red, f.Error))
	}
}

// shown reports whether the table of replicas says already why a node gave the child up.
func shown(replicas []phub.ReplicaState, f protocol.Failure) bool {
	return slices.ContainsFunc(replicas, func(r phub.ReplicaState) bool { return r.Node == f.Node && r.Error == f.Error })
}

func (a *app) replicaTable(c *phub.ChildInfo) {
	if len(c.Replicas) == 0 {
		return
	}
	a.printf("\n")
	t := newTable("NODE", "MODE", "EPOCH", "STATE", "RESTARTS", "UP", "ERROR")
	for _, r := range c.Replicas {
		t.add(r.Node, a.modeCell(r.Mode), fmt.Sprint(r.Epoch), stateOf(&r), restartsOf(&r), age(r.Since), dash(cmp.Or(r.Error, r.LastError)))
	}
	t.print(a.out)
}

// stateOf returns how far a replica is, and whether it keeps failing.
func stateOf(r *phub.ReplicaState) string {
	if r.Failing {
		return dash(string(r.State)) + ", keeps failing"
	}
	return dash(string(r.State))
}

// restartsOf returns how often a replica was restarted, as far as its node told of it.
func restartsOf(r *phub.ReplicaState) string {
	if r.Restarts == 0 && r.LastError == "" {
		return "-"
	}
	return strconv.Itoa(r.Restarts)
}

// modeCell shows a mode: active ones stand out.
func (a *app) modeCell(m phub.Mode) text {
	if m == phub.Active {
		return a.paint(green, m)
	}
	return a.paint(grey, m)
}

func redundancyText(r phub.Redundancy) string {
	if r.Strategy != phub.Replication {
		return fmt.Sprintf("%s, signal %s", r.Strategy, r.Signal)
	}
	return fmt.Sprintf("%s, factor %s, %s, signal %s", r.Strategy, r.Factor, r.Model, r.Signal)
}
