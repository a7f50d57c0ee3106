package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/phub-io/phub"
)

// watching prints what happens until ctx ends; keep says which changes.
func (a *app) watching(keep func(*phub.Change) bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := a.deadline(ctx)
		defer cancel()
		client, closeFunc, err := a.client(ctx)
		if err != nil {
			return err
		}
		defer closeFunc()
		changes, err := client.Watch(ctx)
		if err != nil {
			return err
		}
		if !a.json {
			a.warnf("Watching hub %s. Ctrl-C ends it.\n", a.hub)
		}
		for change, err := range changes {
			if err := a.showChange(&change, err, keep); err != nil {
				return err
			}
		}
		return nil
	}
}

// showChange prints one change, or what went wrong with it.
func (a *app) showChange(c *phub.Change, err error, keep func(*phub.Change) bool) error {
	switch {
	case err != nil:
		a.warnf("phub: warning: %v\n", err)
		return nil
	case !keep(c):
		return nil
	case a.json:
		return a.printJSONLine(c)
	}
	return a.printLine(a.changeLine(c))
}

// changeLine shows one change in columns: time, what, whom, how.
func (a *app) changeLine(c *phub.Change) text {
	what, whom, how := "", "", clean("")
	switch {
	case c.Mode != nil:
		m := c.Mode
		what, whom = "mode", m.Child
		how = textf("%s %s  epoch %d  %s", m.Node, a.modeCell(m.Mode), m.Epoch, m.Reason)
	case c.Event != nil:
		e := c.Event
		what, whom = "event", e.Child
		if whom == "" {
			whom = e.Node
		}
		how = textf("%s  view %d  %s", a.paint(yellow, e.Type), e.View, e.Reason)
	case c.View != nil:
		v := c.View
		what, whom = "view", fmt.Sprint(v.Number)
		how = textf("coordinator %s, members %s  %s", v.Coordinator.Node, members(v), v.Reason)
	case c.Placement != nil:
		what, whom, how = "placement", c.Placement.Child, clean(placementText(c.Placement.Entry))
	}
	line := textf("%s  %-9s  %-16s  %s", c.Time.Local().Format("15:04:05.000"), what, whom, how)
	return line.trim()
}

func members(v *phub.View) string {
	names := make([]string, len(v.Members))
	for i, m := range v.Members {
		names[i] = m.Node
	}
	return strings.Join(names, " ")
}

func placementText(e *phub.Entry) string {
	if e == nil {
		return "taken away"
	}
	if len(e.Replicas) == 0 {
		return fmt.Sprintf("no replica  %s", e.Reason)
	}
	parts := make([]string, len(e.Replicas))
	for i, r := range e.Replicas {
		parts[i] = fmt.Sprintf("%s %s", r.Node, r.Mode)
	}
	return fmt.Sprintf("%s  epoch %d  %s", strings.Join(parts, ", "), e.Epoch, e.Reason)
}
