#!/usr/bin/env bash
# A tag in the template of a scoped signing key comes out in lower case (jwt 2.8.3, nats-server 2.15.3)
#
# Expected: a user with the tag customer:ACME, signed by a key whose scope allows "orders.{{tag(customer)}}", may publish to orders.ACME. Subjects
# know upper and lower case, and name() and account-name() of the same templates keep it.
#
# Happens: TagList.Add of the jwt module, and so each tool that uses it, stores tags in lower case (as its comment says), values included. The user
# may publish to orders.acme, where nobody listens. Nothing is wrong in the key, the template or the token that is issued without an error; the
# publish fails in the asynchronous error handler only, a request times out. Tenants whose names are in lower case work.
#
# Versions: jwt 2.8.3, nats-server 2.15.3, nats.go 1.55.0. Date: 2026-11-29.
# Output seen: tags in the token: [customer:acme]; publish to orders.ACME: permissions violation, to orders.acme: nil.
#
# For a user: take the part of a subject that a tag fills from names in lower case only, or use {{name()}}.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'EOF'
module finding

go 1.26.0

require (
	github.com/nats-io/jwt/v2 v2.8.3
	github.com/nats-io/nats-server/v2 v2.15.3
	github.com/nats-io/nats.go v1.55.0
	github.com/nats-io/nkeys v0.4.16
)
EOF
cat >main.go <<'EOF'
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func main() {
	operator, account, scoped := must(nkeys.CreateOperator()), must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
	s := started(operator, account, scoped)
	nc := connected(s, account, scoped, "customer:ACME")
	seen("publish to orders.ACME", published(nc, "orders.ACME"), "permissions violation")
	nc = connected(s, account, scoped, "customer:ACME")
	seen("publish to orders.acme", published(nc, "orders.acme"), "nil")
}

// published publishes and says what the connection hears of it.
func published(nc *nats.Conn, subject string) string {
	defer nc.Close()
	if err := errors.Join(nc.Publish(subject, nil), nc.Flush()); err != nil {
		panic(err)
	}
	time.Sleep(100 * time.Millisecond)
	if err := nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return "permissions violation"
	} else if err != nil {
		panic(err)
	}
	return "nil"
}

// connected connects a user with a tag whose rights come from the scope of the key that signs it.
func connected(s *server.Server, account, scoped nkeys.KeyPair, tag string) *nats.Conn {
	user := must(nkeys.CreateUser())
	claims := jwt.NewUserClaims(must(user.PublicKey()))
	claims.IssuerAccount = must(account.PublicKey())
	claims.UserPermissionLimits = jwt.UserPermissionLimits{}
	claims.Tags.Add(tag)
	token := must(claims.Encode(scoped))
	fmt.Println("tags in the token:", must(jwt.DecodeUserClaims(token)).Tags)
	return must(nats.Connect(s.ClientURL(), nats.UserJWTAndSeed(token, string(must(user.Seed())))))
}

// started starts a server with one account, which has a scoped signing key.
func started(operator, account, scoped nkeys.KeyPair) *server.Server {
	claims := jwt.NewAccountClaims(must(account.PublicKey()))
	scope := jwt.NewUserScope()
	scope.Key = must(scoped.PublicKey())
	scope.Template.Pub.Allow.Add("orders.{{tag(customer)}}")
	claims.SigningKeys.AddScopedSigner(scope)
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(must(account.PublicKey()), must(claims.Encode(operator))); err != nil {
		panic(err)
	}
	s := must(server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true,
		TrustedKeys: []string{must(operator.PublicKey())}, AccountResolver: resolver,
	}))
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not start")
	}
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// seen compares what happens with what this finding says. Any difference means that the finding has changed.
func seen(what string, got, want any) {
	fmt.Printf("%s: %v\n", what, got)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		fmt.Printf("changed: it was %v\n", want)
		os.Exit(1)
	}
}
EOF
timeout -k 5 300 go run .
echo "unchanged"
