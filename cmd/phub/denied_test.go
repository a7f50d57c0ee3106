package main

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/permissions"
)

// TestErrors_OfAUserWithTooFewRights has users of the lists do what other lists are for: each is told what it may not, once.
func TestErrors_OfAUserWithTooFewRights(t *testing.T) {
	t.Parallel()
	users := map[string]permissions.Permissions{}
	for _, l := range permissions.Lists {
		p, err := permissions.Of(permissions.Options{Hub: "h"}, l)
		if err != nil {
			t.Fatal(err)
		}
		users[string(l)] = p
	}
	u := natstest.ConfiguredUsers(t, users)
	as := func(user, line string) result {
		env := map[string]string{"NATS_URL": u.Server.URL(), "PHUB_HUB": "h", "NATS_USER": user, "NATS_PASSWORD": "pw"}
		return phubRun(t, env, "", append(strings.Fields(line), "--inbox-prefix", users[user].InboxPrefix)...)
	}
	for _, c := range [][3]string{
		{"asks", "status", "phub.h.ctl.status"},
		{"asks", "child stop c", "phub.h.ctl.stop"},
		{"asks", "child start c --kind echo", "phub.h.ctl.start"},
		{"asks", "hub ls", "$JS.API.STREAM.NAMES"},
		{"asks", "hub watch", "phub.h.int.kv.placement.>"},
		{"asks", "node run --name n", "$JS.API.INFO"},
		{"operates", "req c x", "phub.h.req.c"},
		{"operates", "hub watch", "phub.h.int.kv.placement.>"},
		{"watches", "status", "phub.h.ctl.status"},
		{"watches", "req c x", "phub.h.req.c"},
		{"node", "req c x", "phub.h.req.c"},
		{"node", "status", "phub.h.ctl.status"},
	} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			t.Parallel()
			r := as(c[0], c[1])
			r.want(t, exitFailed, "", "Permissions Violation for ")
			if strings.Count(r.err, c[2]) != 1 || strings.Count(r.err, "\nTry: ") != 1 || !strings.HasPrefix(r.err, "phub: error: ") {
				t.Errorf("got %q, want an error that names %s once, and what to try", r.err, c[2])
			}
		})
	}
	r := as("asks", "doctor")
	r.want(t, exitFailed, "JetStream: found a user without permission", "")
	if strings.Contains(r.out, "deadline") {
		t.Errorf("what is denied is said to be slow:\n%s", r.out)
	}
}
