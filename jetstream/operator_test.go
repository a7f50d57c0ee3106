package jetstream_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// TestAccess_AsOperatorModeConfiguresIt runs a server whose accounts are JWTs with the exports and imports
// that docs/nats.md shows.
func TestAccess_AsOperatorModeConfiguresIt(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(opts *server.Options) {
		opts.TrustedOperators = []*jwt.OperatorClaims{o.claims}
		opts.SystemAccount = o.system.public
		opts.AccountResolver = o.resolver
	}})
	kickAndHear(t, dial(srv.URL(), nats.UserJWTAndSeed(o.user, o.seed)))
}

// operator is a trust chain: an operator, the system account, phub's account and a user of that.
type operator struct {
	key         nkeys.KeyPair
	claims      *jwt.OperatorClaims
	system, app account
	resolver    *server.MemAccResolver
	user, seed  string
}

type account struct {
	key    nkeys.KeyPair
	public string
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	key, public := newKey(t, nkeys.CreateOperator)
	o := &operator{key: key, claims: jwt.NewOperatorClaims(public), resolver: &server.MemAccResolver{}}
	o.system.key, o.system.public = newKey(t, nkeys.CreateAccount)
	o.app.key, o.app.public = newKey(t, nkeys.CreateAccount)
	o.claims.SystemAccount = o.system.public
	encoded(t, o.claims, key)

	system := jwt.NewAccountClaims(o.system.public)
	system.Name = "SYS"
	read(t, "system_exports.json", &system.Exports)
	o.store(t, system)

	app := jwt.NewAccountClaims(o.app.public)
	app.Name = "APP"
	app.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit}
	read(t, "app_imports.json", &app.Imports, "ACCOUNT.APP.", "ACCOUNT."+o.app.public+".", `"SYS"`, `"`+o.system.public+`"`, "TOKEN", o.activation(t))
	o.store(t, app)

	user, name := newKey(t, nkeys.CreateUser)
	o.user = encoded(t, jwt.NewUserClaims(name), o.app.key)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	o.seed = string(seed)
	return o
}

// activation is the system account's word that phub's account may import KICK.
func (o *operator) activation(t *testing.T) string {
	t.Helper()
	a := jwt.NewActivationClaims(o.app.public)
	a.ImportSubject, a.ImportType = "$SYS.REQ.SERVER.*.KICK", jwt.Service
	return encoded(t, a, o.system.key)
}

func (o *operator) store(t *testing.T, c *jwt.AccountClaims) {
	t.Helper()
	results := jwt.CreateValidationResults()
	c.Validate(results)
	if errs := results.Errors(); len(errs) > 0 {
		t.Fatalf("account %s: %v", c.Name, errs)
	}
	if err := o.resolver.Store(c.Subject, encoded(t, c, o.key)); err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

func encoded(t *testing.T, c jwt.Claims, key nkeys.KeyPair) string {
	t.Helper()
	s, err := c.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
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
