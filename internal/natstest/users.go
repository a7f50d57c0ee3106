package natstest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/permissions"
)

// Users are users of one account, with permissions, and one more, Anybody, who may do everything in it.
type Users struct {
	Server *natsembed.Server
	logins map[string][]nats.Option
}

// Anybody is the user without any restriction.
const Anybody = "anybody"

// Login returns how to connect as a user: the login, and the prefix of the user's inboxes.
func (u *Users) Login(user string) []nats.Option { return u.logins[user] }

// UserModes are the ways in which NATS can be told of users.
var UserModes = map[string]func(testing.TB, map[string]permissions.Permissions) *Users{
	"configuration": ConfiguredUsers, "operator": OperatorUsers,
}

// ConfiguredUsers starts a server whose configuration file has the users.
func ConfiguredUsers(t testing.TB, users map[string]permissions.Permissions) *Users {
	t.Helper()
	return UsersInDomain(t, "", users)
}

// UsersInDomain is ConfiguredUsers with a server that has a JetStream domain.
func UsersInDomain(t testing.TB, domain string, users map[string]permissions.Permissions) *Users {
	t.Helper()
	u := &Users{logins: map[string][]nats.Option{Anybody: {nats.UserInfo(Anybody, "pw")}}}
	var lines strings.Builder
	for name, p := range users {
		fmt.Fprintf(&lines, "{ user: %s, password: pw, %s }\n", name, p.Conf())
		u.logins[name] = []nats.Option{nats.UserInfo(name, "pw"), nats.CustomInboxPrefix(p.InboxPrefix)}
	}
	conf := fmt.Sprintf("accounts { APP { jetstream: enabled, users: [ { user: %s, password: pw }\n%s ] } }", Anybody, &lines)
	u.Server = SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		if err := o.ProcessConfigString(conf); err != nil {
			t.Errorf("%v in\n%s", err, conf)
		}
		o.JetStreamDomain = domain
	}})
	return u
}

// OperatorUsers starts a server in operator mode, with a JWT for each user.
func OperatorUsers(t testing.TB, users map[string]permissions.Permissions) *Users {
	t.Helper()
	o := NewOperator(t, nil)
	app := o.NewAccount()
	o.Store(app, "APP", func(c *jwt.AccountClaims) {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit}
	})
	u := &Users{logins: map[string][]nats.Option{Anybody: {app.User(jwt.Permissions{})}}}
	for name, p := range users {
		u.logins[name] = []nats.Option{app.User(claimsOf(t, p)), nats.CustomInboxPrefix(p.InboxPrefix)}
	}
	u.Server = SingleWith(t, natsembed.Config{Change: o.Configure})
	return u
}

// claimsOf reads permissions as they are printed for a JWT.
func claimsOf(t testing.TB, p permissions.Permissions) jwt.Permissions {
	t.Helper()
	var c jwt.Permissions
	dec := json.NewDecoder(strings.NewReader(p.JWT()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	results := jwt.CreateValidationResults()
	c.Validate(results)
	if errs := results.Errors(); len(errs) > 0 {
		t.Fatalf("permissions %s: %v", p.JWT(), errs)
	}
	return c
}
