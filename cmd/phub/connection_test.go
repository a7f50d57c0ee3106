package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

// sharedURL returns the address of a server for tests that only need to connect.
func sharedURL(t *testing.T) string {
	t.Helper()
	return natstest.Single(t).URL()
}

func TestContext_GivesServerAndLogin(t *testing.T) {
	s := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.Username, o.Password = "joe", "secret" }})
	dir := t.TempDir()
	writeContext(t, dir, "mine", fmt.Sprintf(`{"url":%q,"user":"joe","password":"secret"}`, s.URL()))
	t.Setenv("XDG_CONFIG_HOME", dir) // natscontext reads the process's own
	env := map[string]string{"XDG_CONFIG_HOME": dir}

	phubRun(t, env, "", "hub", "ls", "--context", "mine").want(t, 0, "No hubs.", "")
	phubRun(t, env, "", "hub", "ls", "--context", "mine", "--user", "joe", "--password", "wrong").want(t, exitFailed, "", "Try: other credentials")
	phubRun(t, env, "", "hub", "ls", "--context", "none").want(t, exitFailed, "", "Try: nats context ls")
	phubRun(t, env, "", "hub", "ls", "-s", s.URL()).want(t, exitFailed, "", "Try: other credentials")
	phubRun(t, env, "", "hub", "ls", "-s", s.URL(), "--user", "joe", "--password", "secret", "--json").want(t, 0, "[]", "")

	if err := os.WriteFile(filepath.Join(dir, "nats", "context.txt"), []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	phubRun(t, env, "", "hub", "ls").want(t, 0, "No hubs.", "")
	phubRun(t, env, "", "hub", "ls", "--no-context", "-s", s.URL()).want(t, exitFailed, "", "Try: other credentials")
}

// TestContext_GivesTheInboxPrefix asks as a user who may read no other inboxes than those of the context's prefix.
func TestContext_GivesTheInboxPrefix(t *testing.T) {
	p, err := permissions.Of(permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.alice"}, permissions.Asks)
	if err != nil {
		t.Fatal(err)
	}
	u := natstest.ConfiguredUsers(t, map[string]permissions.Permissions{"alice": p})
	answers := natstest.Connect(t, u.Server.URL(), u.Login(natstest.Anybody)...)
	answer := func(m *nats.Msg) {
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{protocol.HeaderNode: {"node1"}}, Data: []byte("heard")})
	}
	if _, err := answers.Subscribe("phub.h.req.c", answer); err != nil {
		t.Fatal(err)
	}
	if err := answers.Flush(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	login := fmt.Sprintf(`{"url":%q,"user":"alice","password":"pw"`, u.Server.URL())
	writeContext(t, dir, "with", login+`,"inbox_prefix":"_INBOX_h.alice"}`)
	writeContext(t, dir, "without", login+`}`)
	t.Setenv("XDG_CONFIG_HOME", dir) // natscontext reads the process's own
	env := map[string]string{"XDG_CONFIG_HOME": dir, "PHUB_HUB": "h"}
	phubRun(t, env, "", "req", "c", "--context", "with").want(t, 0, "heard", "")
	phubRun(t, env, "", "req", "c", "--context", "without", "--inbox-prefix", "_INBOX_h.alice").want(t, 0, "heard", "")
	phubRun(t, env, "", "req", "c", "--context", "without").want(t, exitFailed, "", "\nTry: --inbox-prefix (inbox_prefix in a NATS context)")
}

// The nats CLI can embed credentials in a context, or let it refer to them. An error that quotes them tells a secret to a log.
func TestContext_OfCredentialsThatAreNoFileSaysSoAndQuotesNone(t *testing.T) {
	url := sharedURL(t)
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir) // natscontext reads the process's own
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	for _, field := range []string{"creds", "nkey"} {
		for _, form := range []string{"data:", "env://", "file://", "nsc://", "op://"} {
			for _, length := range []int{8, 5000} { // the latter is too long for a file's name
				secret := strings.Repeat("c2VjcmV0", length/8)
				writeContext(t, dir, "mine", fmt.Sprintf(`{"url":%q,%q:%q}`, url, field, form+secret))
				r := phubRun(t, env, "", "hub", "ls", "--context", "mine")
				r.want(t, exitFailed, "", "context mine: found credentials of the form "+form+", want the path of a file\nTry: ")
				if strings.Contains(r.out+r.err, "c2VjcmV0") {
					t.Errorf("%s of the form %s: its content is shown", field, form)
				}
			}
		}
	}
}

func writeContext(t *testing.T, dir, name, text string) {
	t.Helper()
	folder := filepath.Join(dir, "nats", "context")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLogin_OfTheCommandLineReplacesTheContexts(t *testing.T) {
	t.Parallel()
	c := connection{token: "t"}
	o := nats.Options{User: "joe", Password: "secret", Nkey: "N"}
	if err := c.login(&o); err != nil {
		t.Fatal(err)
	}
	if o.User != "" || o.Password != "" || o.Nkey != "" || o.Token != "t" {
		t.Errorf("got %+v", o)
	}
}

func TestConnect_EachErrorSaysWhatToTry(t *testing.T) {
	t.Parallel()
	for want, cause := range map[string]error{
		"--tlsca":          nats.ErrTLS,
		"this one asks":    nats.ErrNkeysNotSupported,
		"nats://HOST:PORT": errors.New("too many colons in address"),
	} {
		err := fmt.Errorf("%w at %s: %w", errConnect, "x", cause)
		if message, try := new(app).explain(err); !strings.HasPrefix(message, "connect to NATS at x: ") || !strings.Contains(try, want) {
			t.Errorf("%v: got %q and %q, want %q", cause, message, try, want)
		}
	}
	phubRun(t, map[string]string{"NATS_URL": "junk://::"}, "", "status").want(t, exitFailed, "", "\nTry: --server nats://HOST:PORT")
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nats://a:b@h:1,nats://h:2": "nats://h:1,nats://h:2",
		"token@h":                   "h",
		"h:4222":                    "h:4222",
		"tls://a:p@ss@h":            "tls://h",
	} {
		if got := redact(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestDomain_OfFlagOrContext has a hub in one JetStream domain, and asks a server of another one.
func TestDomain_OfFlagOrContext(t *testing.T) {
	_, leaf := natstest.Domains(t)
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir) // natscontext reads the process's own
	for name, more := range map[string]string{
		"domain": `"jetstream_domain":"hub"`, "prefix": `"jetstream_api_prefix":"$JS.hub.API"`,
		"account": `"jetstream_api_prefix":"JS.app.API"`, "wrong": `"jetstream_domain":"a.b"`,
	} {
		writeContext(t, dir, name, fmt.Sprintf(`{"url":%q,%s}`, leaf.URL(), more))
	}
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	node, err := phub.Join(ctx, phub.Options{Hub: "far", Name: "n", URL: leaf.URL(), Domain: "hub"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Leave(ctx) })
	phubRun(t, env, "", "hub", "ls", "--context", "domain").want(t, 0, "far", "")
	phubRun(t, env, "", "hub", "ls", "--context", "prefix").want(t, 0, "far", "")
	phubRun(t, env, "", "hub", "ls", "-s", leaf.URL(), "--js-domain", "hub").want(t, 0, "far", "")
	phubRun(t, env, "", "hub", "ls", "--context", "domain", "--js-domain", "leaf").want(t, 0, "No hubs.", "")
	phubRun(t, env, "", "hub", "ls", "-s", leaf.URL()).want(t, 0, "No hubs.", "")
	phubRun(t, env, "", "hub", "ls", "--context", "account").want(t, exitFailed, "", `found jetstream_api_prefix "JS.app.API"`)
	phubRun(t, env, "", "node", "run", "--context", "account").want(t, exitFailed, "", "Try: --js-domain NAME")
	phubRun(t, env, "", "hub", "ls", "--context", "wrong").want(t, exitUsage, "", "context wrong: jetstream_domain")
	phubRun(t, env, "", "hub", "ls", "-s", leaf.URL(), "--js-domain", "a.b").want(t, exitUsage, "", "--js-domain")
	phubRun(t, env, "", "doctor", "--hub", "far", "--context", "domain", "--json").want(t, exitFailed, `"buckets"`, "")
}
