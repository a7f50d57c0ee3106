package natstest

import (
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Operator is the root of a trust chain: accounts and users are JWTs, as in NATS's operator mode.
type Operator struct {
	System   *Account
	t        testing.TB
	key      nkeys.KeyPair
	claims   *jwt.OperatorClaims
	resolver *server.MemAccResolver
}

// Account is an account of an Operator.
type Account struct {
	Key    nkeys.KeyPair
	Public string
	t      testing.TB
}

// NewOperator makes an operator whose system account is as change leaves its claims. change may be nil.
func NewOperator(t testing.TB, change func(*jwt.AccountClaims)) *Operator {
	t.Helper()
	key, public := newKey(t, nkeys.CreateOperator)
	o := &Operator{t: t, key: key, claims: jwt.NewOperatorClaims(public), resolver: &server.MemAccResolver{}}
	o.System = o.NewAccount()
	o.claims.SystemAccount = o.System.Public
	Encoded(t, o.claims, key)
	o.Store(o.System, "SYS", change)
	return o
}

// Configure makes a server trust the operator.
func (o *Operator) Configure(opts *server.Options) {
	opts.TrustedOperators = []*jwt.OperatorClaims{o.claims}
	opts.SystemAccount = o.System.Public
	opts.AccountResolver = o.resolver
}

// NewAccount makes an account, which servers know once it is stored.
func (o *Operator) NewAccount() *Account {
	o.t.Helper()
	a := &Account{t: o.t}
	a.Key, a.Public = newKey(o.t, nkeys.CreateAccount)
	return a
}

// Store tells the servers of an account, whose claims are as change leaves them. change may be nil.
func (o *Operator) Store(a *Account, name string, change func(*jwt.AccountClaims)) {
	o.t.Helper()
	c := jwt.NewAccountClaims(a.Public)
	c.Name = name
	if change != nil {
		change(c)
	}
	results := jwt.CreateValidationResults()
	c.Validate(results)
	if errs := results.Errors(); len(errs) > 0 {
		o.t.Fatalf("account %s: %v", name, errs)
	}
	if err := o.resolver.Store(c.Subject, Encoded(o.t, c, o.key)); err != nil {
		o.t.Fatal(err)
	}
}

// User makes a user of the account, and returns its login.
func (a *Account) User(p jwt.Permissions) nats.Option {
	a.t.Helper()
	key, public := newKey(a.t, nkeys.CreateUser)
	c := jwt.NewUserClaims(public)
	c.Permissions = p
	seed, err := key.Seed()
	if err != nil {
		a.t.Fatal(err)
	}
	return nats.UserJWTAndSeed(Encoded(a.t, c, a.Key), string(seed))
}

func newKey(t testing.TB, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
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

// Encoded returns claims as a JWT that key signed.
func Encoded(t testing.TB, c jwt.Claims, key nkeys.KeyPair) string {
	t.Helper()
	s, err := c.Encode(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
