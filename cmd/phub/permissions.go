package main

import (
	"context"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub/permissions"
)

type permissionsCommand struct {
	app      *app
	lists    []string
	format   string
	clients  []string
	noCreate bool
	system   bool
}

// The formats of a list.
const (
	formatConf = "conf"
	formatJWT  = "jwt"
	formatNSC  = "nsc"
)

// permissionFlags are the parts of the command line that give the fields of a list's options.
var permissionFlags = map[string]string{
	"list": "LIST", "js_domain": "--js-domain", "inbox_prefix": "--inbox-prefix", "client_inboxes": "--client-inboxes",
}

func (a *app) addPermissions(cli *fisk.Application) {
	c := &permissionsCommand{app: a}
	cmd := cli.Command("permissions", "Print the NATS permissions of those who ask, operate or watch a hub, and of its nodes").Action(a.does(c.run))
	cmd.HelpLong("The lists are asks (requests to children), operates (start, stop, move, look up), watches (modes, events and " +
		"placements; publishes nothing) and node. Several together are for somebody who does all of that. It connects to nothing. Each user " +
		"should have an --inbox-prefix of its own under _INBOX_<hub>, and must connect with it. Nodes that are told a --js-domain need a list for it. More: docs/wire.md.")
	cmd.Arg("list", "Which list, or lists: "+either(words(permissions.Lists...))).PlaceHolder("LIST").Required().StringsVar(&c.lists)
	choice(cmd, "format", "What to print: a block for the NATS server's configuration, the permissions of a user's JWT, or a call of nsc; default is conf", []string{formatConf, formatJWT, formatNSC}).PlaceHolder("FORMAT").Default(formatConf).StringVar(&c.format)
	cmd.Flag("client-inboxes", "Nodes: also answer to inboxes with this prefix, such as _INBOX; may be repeated").PlaceHolder("PREFIX").StringsVar(&c.clients)
	cmd.Flag("no-create", "Nodes: without the right to make the hub's buckets, needed until they exist").UnNegatableBoolVar(&c.noCreate)
	cmd.Flag("system", "Nodes: what they use if the account imports it from the system account").UnNegatableBoolVar(&c.system)
}

func (c *permissionsCommand) run(context.Context) error {
	lists := make([]permissions.List, len(c.lists))
	for i, l := range c.lists {
		lists[i] = permissions.List(l)
	}
	p, err := permissions.Of(permissions.Options{
		Hub: c.app.hub, InboxPrefix: c.app.conn.inboxPrefix, ClientInboxes: c.clients, Domain: c.app.conn.jsDomain, NoCreate: c.noCreate, System: c.system,
	}, lists...)
	switch {
	case err != nil:
		return inFlags(err, permissionFlags)
	case c.app.json:
		return c.app.printJSON(p)
	}
	return c.app.printOwn(map[string]string{formatConf: p.Conf(), formatJWT: p.JWT(), formatNSC: p.NSC()}[c.format])
}
