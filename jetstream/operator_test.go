package jetstream_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// TestAccess_AsOperatorModeConfiguresIt runs a server whose accounts are JWTs with the exports and imports
// that docs/nats.md shows.
func TestAccess_AsOperatorModeConfiguresIt(t *testing.T) {
	t.Parallel()
	o := natstest.NewOperator(t, func(system *jwt.AccountClaims) { read(t, "system_exports.json", &system.Exports) })
	app := o.NewAccount()
	o.Store(app, "APP", func(c *jwt.AccountClaims) {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit}
		read(t, "app_imports.json", &c.Imports, "ACCOUNT.APP.", "ACCOUNT."+app.Public+".", `"SYS"`, `"`+o.System.Public+`"`, "TOKEN", activation(t, o.System, app))
	})
	srv := natstest.SingleWith(t, natsembed.Config{Change: o.Configure})
	kickAndHear(t, dial(srv.URL(), app.User(jwt.Permissions{})))
}

// activation is the system account's word that phub's account may import KICK.
func activation(t *testing.T, system, app *natstest.Account) string {
	t.Helper()
	a := jwt.NewActivationClaims(app.Public)
	a.ImportSubject, a.ImportType = "$SYS.REQ.SERVER.*.KICK", jwt.Service
	return natstest.Encoded(t, a, system.Key)
}

// read decodes a file of testdata in which some words stand for others.
func read(t *testing.T, name string, v any, words ...string) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.NewReplacer(words...).Replace(string(data))), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
