package main

import (
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

type childWatch struct {
	filter string
}

func (a *app) addChildWatch(parent *fisk.CmdClause) {
	c := &childWatch{}
	cmd := parent.Command("watch", "Print modes, placements and events of children as they happen (read-only)").Action(a.does(checked(c.check, a.watching(c.keeps))))
	cmd.Arg("filter", "Name, or filter over names as in NATS subjects: orders.>").Default(">").StringVar(&c.filter)
}

func (c *childWatch) check() error { return inFlags(protocol.ValidateFilter(c.filter), nil) }

func (c *childWatch) keeps(change *phub.Change) bool {
	child := childOf(change)
	return child != "" && matches(c.filter, child)
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
