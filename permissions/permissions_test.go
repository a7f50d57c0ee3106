package permissions_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

func of(t *testing.T, o permissions.Options, lists ...permissions.List) permissions.Permissions {
	t.Helper()
	p, err := permissions.Of(o, lists...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOf_SaysWhichOptionIsWrong(t *testing.T) {
	t.Parallel()
	asks := []permissions.List{permissions.Asks}
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		o     permissions.Options
		lists []permissions.List
		field string
	}{
		"no hub":                 {permissions.Options{}, asks, "hub"},
		"no list":                {permissions.Options{Hub: "h"}, nil, "list"},
		"unknown list":           {permissions.Options{Hub: "h"}, []permissions.List{"does"}, "list"},
		"a list twice":           {permissions.Options{Hub: "h"}, []permissions.List{"asks", "asks"}, "list"},
		"wildcard":               {permissions.Options{Hub: "h", InboxPrefix: "a.*"}, asks, "inbox_prefix"},
		"final dot":              {permissions.Options{Hub: "h", InboxPrefix: "a."}, asks, "inbox_prefix"},
		"empty token":            {permissions.Options{Hub: "h", InboxPrefix: "a..b"}, asks, "inbox_prefix"},
		"blank":                  {permissions.Options{Hub: "h", InboxPrefix: "a b"}, asks, "inbox_prefix"},
		"quote":                  {permissions.Options{Hub: "h", InboxPrefix: `a"b`}, asks, "inbox_prefix"},
		"line":                   {permissions.Options{Hub: "h", InboxPrefix: "a\nb"}, asks, "inbox_prefix"},
		"too long":               {permissions.Options{Hub: "h", InboxPrefix: long}, asks, "inbox_prefix"},
		"phub's own subjects":    {permissions.Options{Hub: "h", InboxPrefix: "phub.h.mode"}, asks, "inbox_prefix"},
		"JetStream's subjects":   {permissions.Options{Hub: "h", InboxPrefix: "$JS.API"}, asks, "inbox_prefix"},
		"the nodes'":             {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.node"}, asks, "inbox_prefix"},
		"one of the nodes'":      {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.node.a"}, asks, "inbox_prefix"},
		"the nodes' to ask with": {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.node"}, []permissions.List{permissions.Node, permissions.Asks}, "inbox_prefix"},
		"another hub's nodes'":   {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_g.node"}, asks, "inbox_prefix"},
		"all of another hub":     {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_g"}, asks, "inbox_prefix"},
		"everybody's":            {permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h"}, asks, "inbox_prefix"},
		"a domain with a dot":    {permissions.Options{Hub: "h", Domain: "a.b"}, []permissions.List{permissions.Node}, "js_domain"},
		"clients' under $":       {permissions.Options{Hub: "h", ClientInboxes: []string{"_INBOX", "$KV"}}, []permissions.List{permissions.Node}, "client_inboxes"},
	} {
		_, err := permissions.Of(c.o, c.lists...)
		if field, ok := errors.AsType[*protocol.FieldError](err); !ok || field.Field != c.field {
			t.Errorf("%s: got %v, want an error of field %s", name, err, c.field)
		}
	}
	of(t, permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.{{name()}}"}, permissions.Asks)
	of(t, permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.nodes"}, permissions.Asks)
}

// TestPermissions_NothingIsNotEverything reads what is printed of an empty list: NATS takes one to allow everything.
func TestPermissions_NothingIsNotEverything(t *testing.T) {
	t.Parallel()
	p := of(t, permissions.Options{Hub: "h"}, permissions.Watches)
	if c := p.Claims(); len(p.Publish) > 0 || len(c.Publish.Allow) > 0 || !slices.Equal(c.Publish.Deny, []string{">"}) {
		t.Errorf("found %+v, want a denial of everything", c.Publish)
	}
	for form, text := range map[string]string{p.Conf(): `publish: { deny: ">" }`, p.JWT(): `"deny": [`, p.NSC(): "--deny-pub '>'"} {
		if !strings.Contains(form, text) {
			t.Errorf("found no %s in\n%s", text, form)
		}
	}
}

func TestOf_ListsTogetherAreTheSum(t *testing.T) {
	t.Parallel()
	sum := of(t, permissions.Options{Hub: "h", InboxPrefix: "p"}, permissions.Asks, permissions.Watches, permissions.Operates)
	for _, l := range []permissions.List{permissions.Asks, permissions.Watches, permissions.Operates} {
		p := of(t, permissions.Options{Hub: "h", InboxPrefix: "p"}, l)
		for _, s := range p.Publish {
			if !slices.Contains(sum.Publish, s) {
				t.Errorf("%s may not be published to", s)
			}
		}
		for _, s := range p.Subscribe {
			if !slices.Contains(sum.Subscribe, s) {
				t.Errorf("%s may not be subscribed to", s)
			}
		}
	}
	if len(sum.Publish) != 2 || len(sum.Subscribe) != 4 {
		t.Errorf("got %+v", sum)
	}
}

func TestNode_Variants(t *testing.T) {
	t.Parallel()
	has := func(p permissions.Permissions, text string) bool {
		return slices.ContainsFunc(slices.Concat(p.Publish, p.Subscribe), func(s string) bool { return strings.Contains(s, text) })
	}
	full := permissions.Options{Hub: "h", System: true, ClientInboxes: []string{"_INBOX"}}
	p := of(t, full, permissions.Node)
	for _, text := range []string{"STREAM.CREATE", "phub._sys.kick.*", "phub._sys.disconnect", "_INBOX.>"} {
		if !has(p, text) {
			t.Errorf("nothing allows %s", text)
		}
	}
	p = of(t, permissions.Options{Hub: "h", NoCreate: true}, permissions.Node)
	for _, text := range []string{"STREAM.CREATE", "phub._sys", "_INBOX.>"} {
		if has(p, text) {
			t.Errorf("something allows %s", text)
		}
	}
}
