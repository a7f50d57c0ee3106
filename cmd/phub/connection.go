package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/phub-io/phub"
)

// connection says how to reach NATS: flags, then variables, then a context, as in the nats CLI.
type connection struct {
	server, context       string
	noContext             bool
	user, password, token string
	creds, nkey           string
	cert, key, ca         string
	tlsFirst              bool
	inboxPrefix           string
	jsDomain              string
	timeout               time.Duration
	configDir             string // where contexts are kept
}

func (a *app) connectionFlags(cli *fisk.Application) {
	c := &a.conn
	cli.Flag("server", "NATS servers to connect to (NATS_URL)").Short('s').PlaceHolder("URL").StringVar(&c.server)
	cli.Flag("context", "NATS context to take settings from (NATS_CONTEXT)").PlaceHolder("NAME").StringVar(&c.context)
	cli.Flag("no-context", "Take no NATS context, not even the selected one").UnNegatableBoolVar(&c.noContext)
	cli.Flag("user", "User name, or token (NATS_USER)").PlaceHolder("USER").StringVar(&c.user)
	cli.Flag("password", "Password (NATS_PASSWORD)").PlaceHolder("PASSWORD").StringVar(&c.password)
	cli.Flag("token", "Token (NATS_TOKEN)").PlaceHolder("TOKEN").StringVar(&c.token)
	cli.Flag("creds", "Credentials file (NATS_CREDS)").PlaceHolder("FILE").StringVar(&c.creds)
	cli.Flag("nkey", "Seed file of an nkey (NATS_NKEY)").PlaceHolder("FILE").StringVar(&c.nkey)
	cli.Flag("tlscert", "TLS public certificate (NATS_CERT)").PlaceHolder("FILE").StringVar(&c.cert)
	cli.Flag("tlskey", "TLS private key (NATS_KEY)").PlaceHolder("FILE").StringVar(&c.key)
	cli.Flag("tlsca", "TLS certificate authority (NATS_CA)").PlaceHolder("FILE").StringVar(&c.ca)
	cli.Flag("tlsfirst", "TLS handshake before the server's greeting").UnNegatableBoolVar(&c.tlsFirst)
	cli.Flag("inbox-prefix", "Prefix of the inboxes that replies go to").PlaceHolder("PREFIX").StringVar(&c.inboxPrefix)
	cli.Flag("js-domain", "JetStream domain of the hub's buckets; default is the server's own").PlaceHolder("NAME").StringVar(&c.jsDomain)
	cli.Flag("timeout", "How long to wait; 5s for req, 30s for others (NATS_TIMEOUT)").PlaceHolder("TIME").Validator(isDuration).DurationVar(&c.timeout)
}

// fromEnvironment fills in what the flags left open.
func (c *connection) fromEnvironment(env func(string) string) error {
	for name, value := range map[string]*string{
		"NATS_URL": &c.server, "NATS_CONTEXT": &c.context, "NATS_USER": &c.user,
		"NATS_PASSWORD": &c.password, "NATS_TOKEN": &c.token, "NATS_CREDS": &c.creds,
		"NATS_NKEY": &c.nkey, "NATS_CERT": &c.cert, "NATS_KEY": &c.key, "NATS_CA": &c.ca,
	} {
		if *value == "" {
			*value = env(name)
		}
	}
	c.configDir = env("XDG_CONFIG_HOME")
	if home := env("HOME"); c.configDir == "" && home != "" {
		c.configDir = filepath.Join(home, ".config")
	}
	timeout := env("NATS_TIMEOUT")
	if c.timeout != 0 || timeout == "" {
		return nil
	}
	if err := isDuration(timeout); err != nil {
		return usagef("NATS_TIMEOUT: %w", err)
	}
	c.timeout, _ = fisk.ParseDuration(timeout) // it is one
	return nil
}

// connect opens a connection; opts come after what the flags say.
func (c *connection) connect(opts ...nats.Option) (*nats.Conn, error) {
	opts = append(c.options(), opts...)
	nc, err := c.dial(opts)
	if err == nil {
		return nc, nil
	}
	if form := referred(err); form != "" {
		err = fmt.Errorf("%w at %s: found credentials of the form %s, want the path of a file", errConnect, c.where(), form)
		return nil, lasting{hint{err, "the path in the context (nats context edit), or --creds FILE, or --nkey FILE"}}
	}
	err = fmt.Errorf("%w at %s: %w", errConnect, c.where(), err)
	switch {
	case strings.Contains(err.Error(), "unknown context"):
		return nil, lasting{hint{err, "nats context ls, or --no-context"}}
	case errors.Is(err, os.ErrNotExist):
		return nil, lasting{hint{err, "the path of a file that exists"}}
	}
	return nil, err
}

func (c *connection) dial(opts []nats.Option) (*nats.Conn, error) {
	if c.noContext || c.context == "" && !c.selected() {
		return nats.Connect(nats.DefaultURL, opts...)
	}
	nc, _, err := natscontext.Connect(c.context, opts...)
	return nc, err
}

// referred returns the form of credentials that were taken for a path but refer to elsewhere or are embedded, as the nats CLI allows, or "".
// An error must not quote them: with data: they are the secret itself.
func referred(err error) string {
	file, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return ""
	}
	for _, form := range []string{"data:", "env://", "file://", "nsc://", "op://"} {
		if strings.HasPrefix(file.Path, form) {
			return form
		}
	}
	return ""
}

// selected reports whether a NATS context is selected.
func (c *connection) selected() bool {
	if c.configDir == "" {
		return false
	}
	name, err := os.ReadFile(filepath.Join(c.configDir, "nats", "context.txt"))
	return err == nil && strings.TrimSpace(string(name)) != ""
}

// where names the place for error messages, without passwords.
func (c *connection) where() string {
	switch {
	case c.server != "":
		return redact(c.server)
	case c.context != "":
		return "context " + c.context
	case !c.noContext && c.selected():
		return "the selected context"
	}
	return nats.DefaultURL
}

// redact leaves out what stands before an @ in each of several URLs.
func redact(servers string) string {
	parts := strings.Split(servers, ",")
	for i, s := range parts {
		scheme, rest, ok := strings.Cut(strings.TrimSpace(s), "://")
		if !ok {
			scheme, rest = "", scheme
		} else {
			scheme += "://"
		}
		parts[i] = scheme + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	return strings.Join(parts, ",")
}

// options returns what the flags and variables say.
func (c *connection) options() []nats.Option {
	opts := []nats.Option{nats.Name("phub"), c.servers, c.login}
	add := func(given bool, opt func() nats.Option) {
		if given {
			opts = append(opts, opt())
		}
	}
	add(c.creds != "", func() nats.Option { return nats.UserCredentials(c.creds) })
	add(c.nkey != "", func() nats.Option { return nkeyFile(c.nkey) })
	add(c.cert != "" || c.key != "", func() nats.Option { return nats.ClientCert(c.cert, c.key) })
	add(c.ca != "", func() nats.Option { return nats.RootCAs(c.ca) })
	add(c.tlsFirst, func() nats.Option { return nats.TLSHandshakeFirst() })
	add(c.inboxPrefix != "", func() nats.Option { return nats.CustomInboxPrefix(c.inboxPrefix) })
	return opts
}

// servers is a nats.Option: the servers of the flag, or the context's, or the default.
func (c *connection) servers(o *nats.Options) error {
	switch {
	case c.server != "":
		o.Servers = nil
		for s := range strings.SplitSeq(c.server, ",") {
			o.Servers = append(o.Servers, strings.TrimSpace(s))
		}
	case len(o.Servers) == 0 || o.Servers[0] == "":
		o.Servers = []string{nats.DefaultURL}
	}
	return nil
}

// login is a nats.Option: a login by flag or variable takes the place of the context's.
func (c *connection) login(o *nats.Options) error {
	if c.user == "" && c.token == "" && c.creds == "" && c.nkey == "" {
		return nil
	}
	o.User, o.Password, o.Token = c.user, c.password, c.token
	o.Nkey, o.UserJWT, o.SignatureCB = "", nil, nil
	if c.user != "" && c.password == "" && c.token == "" {
		o.User, o.Token = "", c.user // as in the nats CLI: a user without a password is a token
	}
	return nil
}

// nkeyFile reads a seed only when the option is applied, so that its error is the connection's.
func nkeyFile(path string) nats.Option {
	return func(o *nats.Options) error {
		opt, err := nats.NkeyOptionFromSeed(path)
		if err != nil {
			return err
		}
		return opt(o)
	}
}

// client opens a connection before ctx ends, and returns a client of the chosen hub, and how to close it.
func (a *app) client(ctx context.Context) (*phub.Client, func(), error) {
	nc, err := a.conn.connect(nats.MaxReconnects(-1), nats.ErrorHandler(a.asyncError), before(ctx))
	if err != nil {
		return nil, nil, err
	}
	c, err := phub.NewClient(nc, a.hub)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return c, nc.Close, nil
}

// asyncError prints what a connection is told beside the answers. What the user may not do is not printed: the command that tried
// it says so.
func (a *app) asyncError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		a.warnf("phub: NATS connection: %v\n", err)
	}
}

// before is a nats.Option that leaves each server its share of the time until ctx ends.
func before(ctx context.Context) nats.Option {
	return func(o *nats.Options) error {
		if end, ok := ctx.Deadline(); ok {
			share := time.Until(end) / time.Duration(max(len(o.Servers), 1))
			o.Timeout = min(o.Timeout, max(share, time.Millisecond))
		}
		return nil
	}
}

// deadline gives ctx the time-out of the command line, if there is one.
func (a *app) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.conn.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.conn.timeout)
}

// asking runs f with a client and a deadline.
func (a *app) asking(f func(ctx context.Context, c *phub.Client) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := a.deadline(ctx)
		defer cancel()
		c, closeFunc, err := a.client(ctx)
		if err != nil {
			return err
		}
		defer closeFunc()
		if err = f(ctx, c); errors.Is(err, phub.ErrNoHub) {
			return hint{err, "phub hub ls; or start a node: phub node run --hub " + a.hub}
		}
		return err
	}
}
