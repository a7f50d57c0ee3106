package main

import (
	"context"
	"errors"
	"io"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub/protocol"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// stdio is what a command reads from and prints to.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// app is one call of phub: its flags, and the command that they chose.
type app struct {
	stdio
	env     func(string) string
	conn    connection
	hub     string
	json    bool
	screen  bool   // stdout is a terminal
	colour  bool   // and wants colours
	name    string // of the command that the line chose: "child start"
	command func(ctx context.Context) error
}

// terminated carries an exit code out of fisk, which wants to end the process for help texts.
type terminated int

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, std stdio, env func(string) string) (code int) {
	a := &app{stdio: std, env: env, screen: isTerminal(std.out)}
	a.colour = a.screen && env("NO_COLOR") == ""
	a.command = func(context.Context) error { return nil } // cheat has done its work when the line is parsed
	if len(args) == 0 {
		a.printf(firstScreen)
		return exitDone
	}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case terminated:
			code = int(v)
		default:
			panic(v)
		}
	}()
	cli, args := a.commandLine(), markStdin(args)
	if _, err := cli.Parse(args); err != nil {
		a.name = chosen(cli, args)
		return a.fail(parseError(err))
	}
	if err := a.fromEnvironment(); err != nil {
		return a.fail(err)
	}
	return a.fail(a.command(ctx))
}

// chosen returns the name of the command that a wrong command line begins with.
func chosen(cli *fisk.Application, args []string) string {
	parsed, _ := cli.ParseContext(args) // the error is known
	if parsed == nil || parsed.SelectedCommand == nil {
		return ""
	}
	return parsed.SelectedCommand.FullCommand()
}

// commandLine declares all commands and flags.
func (a *app) commandLine() *fisk.Application {
	cli := fisk.New("phub", "Keeps named pieces of work running as replicas on several nodes, over NATS.")
	cli.Terminate(func(status int) { panic(terminated(status)) })
	cli.UsageWriter(a.out).ErrorWriter(a.err)
	cli.Version(version()).Author("the phub authors")
	cli.HelpFlag.Short('h')
	a.connectionFlags(cli)
	cli.Flag("hub", "Hub to work with; default is \"default\" (PHUB_HUB)").PlaceHolder("HUB").StringVar(&a.hub)
	cli.Flag("json", "Print JSON").Short('j').UnNegatableBoolVar(&a.json)
	a.addDemo(cli)
	a.addDev(cli)
	a.addNode(cli)
	a.addChild(cli)
	a.addReq(cli)
	a.addStatus(cli)
	a.addDoctor(cli)
	a.addBench(cli)
	a.addHub(cli)
	a.addPermissions(cli)
	a.addVersion(cli)
	addCheats(cli)
	return cli
}

// does makes f the command of this call. It runs after the whole command line was found to be right.
func (a *app) does(f func(ctx context.Context) error) fisk.Action {
	return func(parsed *fisk.ParseContext) error {
		a.name, a.command = parsed.SelectedCommand.FullCommand(), f
		return nil
	}
}

// checked makes a command of two steps: check says what is wrong with the command line, before anything is
// connected.
func checked(check func() error, f func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if err := check(); err != nil {
			return err
		}
		return f(ctx)
	}
}

// fromEnvironment fills in what the command line left open.
func (a *app) fromEnvironment() error {
	if err := a.conn.fromEnvironment(a.env); err != nil {
		return err
	}
	from := "--hub"
	if a.hub == "" {
		from, a.hub = "PHUB_HUB", a.env("PHUB_HUB")
	}
	if a.hub == "" {
		a.hub = "default"
	}
	if err := protocol.ValidateHub(a.hub); err != nil {
		return inFlags(err, map[string]string{"hub": from})
	}
	return inFlags(protocol.ValidateDomain(a.conn.jsDomain), map[string]string{"js_domain": "--js-domain"})
}

// maxMessage is how much is shown of an error, in bytes: some of its text may be somebody else's.
const maxMessage = 4096

// fail prints err, and what to try, and returns the exit code.
func (a *app) fail(err error) int {
	if err == nil {
		return exitDone
	}
	if message, try := a.explain(err); message != "" {
		a.warnf("phub: error: %s\n", lines(protocol.Cut(message, maxMessage)))
		if try != "" {
			a.warnf("Try: %s\n", lines(protocol.Cut(try, maxMessage)))
		}
	}
	if _, wrong := errors.AsType[usageError](err); wrong {
		return exitUsage
	}
	return exitFailed
}
