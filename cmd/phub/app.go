package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/choria-io/fisk"
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
	colour  bool
	command func(ctx context.Context) error
}

// terminated carries an exit code out of fisk, which wants to end the process for help texts.
type terminated int

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, std stdio, env func(string) string) (code int) {
	a := &app{stdio: std, env: env, colour: isTerminal(std.out) && env("NO_COLOR") == ""}
	if len(args) == 0 {
		fmt.Fprint(a.out, firstScreen)
		return exitDone
	}
	defer func() {
		if status, ok := recover().(terminated); ok {
			code = int(status)
		}
	}()
	if _, err := a.commandLine().Parse(markStdin(args)); err != nil {
		return a.fail(usageError{err})
	}
	a.fromEnvironment()
	return a.fail(a.command(ctx))
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
	a.addVersion(cli)
	addCheats(cli)
	return cli
}

// does makes f the command of this call. It runs after the whole command line was found to be right.
func (a *app) does(f func(ctx context.Context) error) fisk.Action {
	return func(*fisk.ParseContext) error {
		a.command = f
		return nil
	}
}

// fromEnvironment fills in what the command line left open.
func (a *app) fromEnvironment() {
	a.conn.fromEnvironment(a.env)
	if a.hub == "" {
		a.hub = a.env("PHUB_HUB")
	}
	if a.hub == "" {
		a.hub = "default"
	}
}

// fail prints err, and what to try, and returns the exit code.
func (a *app) fail(err error) int {
	if err == nil {
		return exitDone
	}
	if message, try := explain(err); message != "" {
		fmt.Fprintf(a.err, "phub: error: %s\n", message)
		if try != "" {
			fmt.Fprintf(a.err, "Try: %s\n", try)
		}
	}
	if _, wrong := errors.AsType[usageError](err); wrong {
		return exitUsage
	}
	return exitFailed
}
