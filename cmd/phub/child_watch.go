package main

import (
	"context"
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childWatch struct {
	app    *app
	filter string
}

func (a *app) addChildWatch(parent *fisk.CmdClause) {
	c := &childWatch{app: a}
	cmd := parent.Command("watch", "Print modes, placements and events of children as they happen (read-only)").Action(a.does(c.run))
	cmd.Arg("filter", "Name, or filter over names as in NATS subjects: orders.>").Default(">").StringVar(&c.filter)
}

func (c *childWatch) run(ctx context.Context) error {
	if err := protocol.ValidateFilter(c.filter); err != nil {
		return usageError{err}
	}
	return c.app.watching(func(change *phub.Change) bool {
		child := childOf(change)
		return child != "" && matches(c.filter, child)
	})(ctx)
}

// childOf returns the child that a change is about, or "".
func childOf(c *phub.Change) string {
	switch {
	case c.Mode != nil:
		return c.Mode.Child
	case c.Event != nil:
		return c.Event.Child
	case c.Placement != nil:
		return c.Placement.Child
	}
	return ""
}

// matches reports whether a name matches a filter, as NATS matches subjects.
func matches(filter, name string) bool {
	filters, tokens := strings.Split(filter, "."), strings.Split(name, ".")
	for i, f := range filters {
		switch {
		case f == ">":
			return i < len(tokens)
		case i >= len(tokens), f != "*" && f != tokens[i]:
			return false
		}
	}
	return len(filters) == len(tokens)
}
