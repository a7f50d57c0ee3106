package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/choria-io/fisk"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/internal/natsembed"
)

type dev struct {
	app     *app
	port    int
	nodes   int
	store   string
	kinds   string
	verbose bool
	server  *natsembed.Server
	print   sync.Mutex
}

func (a *app) addDev(cli *fisk.Application) {
	d := &dev{app: a}
	cmd := cli.Command("dev", "Run a NATS server and some nodes here, for a second terminal").Action(a.does(d.run))
	cmd.HelpLong("Runs until it is interrupted. Each node is a process of its own: kill one with kill -9 and see who " +
		"takes over; it is started again 5 seconds later.")
	cmd.Flag("port", "Port of 127.0.0.1 for the NATS server; default is 4222").PlaceHolder("PORT").Default("4222").Validator(isNumber).IntVar(&d.port)
	cmd.Flag("nodes", "How many nodes to run; default is 3").PlaceHolder("N").Default("3").Validator(isNumber).IntVar(&d.nodes)
	cmd.Flag("store", "Folder for the server's data; default is a new one that is removed at the end").PlaceHolder("DIR").StringVar(&d.store)
	kindsFlag(cmd, &d.kinds)
	cmd.Flag("verbose", "Show the whole log of the nodes on stderr, not only what workers say").Short('v').UnNegatableBoolVar(&d.verbose)
}

// devRestart is how long a dead node stays dead.
const devRestart = 5 * time.Second

func (d *dev) run(ctx context.Context) error {
	if d.nodes < 1 || d.nodes > 100 {
		return usagef("--nodes: found %d, want 1 to 100", d.nodes)
	}
	if d.port < 1 || d.port > 65535 {
		return usagef("--port: found %d, want 1 to 65535", d.port)
	}
	if _, err := kindsOf(d.kinds, nil); err != nil {
		return err
	}
	if err := portFree(d.port); err != nil {
		return err
	}
	var err error
	d.server, err = natsembed.StartServer(natsembed.Config{Port: d.port, StoreDir: d.store, Name: "phub-dev", Account: embeddedAccount, System: true})
	if err != nil {
		return hint{err, "another --port"}
	}
	err = d.runNodes(ctx)
	return errors.Join(err, d.server.Close())
}

// portFree says at once if the server would wait for its port in vain.
func portFree(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return hint{fmt.Errorf("port %d of 127.0.0.1 is in use: %w", port, err), "another --port, or stop the program that listens there"}
	case err != nil:
		return hint{fmt.Errorf("port %d of 127.0.0.1 can't be had: %w", port, err), "another --port"}
	}
	return l.Close()
}

// runNodes runs the nodes until ctx ends or one of them can't go on.
func (d *dev) runNodes(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, d.nodes)
	d.explain()
	var wg sync.WaitGroup
	for i := range d.nodes {
		wg.Go(func() {
			if errs[i] = d.keep(ctx, fmt.Sprintf("node%d", i+1)); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// keep runs a node, and starts it again when it died, until ctx ends.
func (d *dev) keep(ctx context.Context, name string) error {
	for {
		p, err := startNode(name, d.app.hub, d.server.URL(), []string{"--kinds", d.kinds}, nil, d.log())
		if err != nil {
			return err
		}
		d.say("%s runs as process %d", name, p.pid())
		select {
		case <-ctx.Done():
			p.stop()
			return nil
		case <-p.done:
		}
		if !p.killed() {
			return fmt.Errorf("node %s ended by itself: %w; it said:\n%s", name, p.err, p.log)
		}
		d.say("%s was killed; it is started again in %v", name, devRestart)
		if !pause(ctx, devRestart) {
			return nil
		}
	}
}

// log returns where the nodes' log goes: all of it, or what workers have to say.
func (d *dev) log() io.Writer {
	if !d.verbose {
		return &workersOnly{to: lockedWriter{d}}
	}
	return lockedWriter{d}
}

// workersOnly hands on the lines of a node's log that are about children.
type workersOnly struct {
	to   io.Writer
	rest []byte // the beginning of a line
}

// Write hands whole lines on. It is not called concurrently.
func (w *workersOnly) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, whole := bytes.Cut(w.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		w.rest = rest
		if isWorkers(line) {
			if _, err := w.to.Write(append(bytes.Clone(line), '\n')); err != nil {
				return len(b), err
			}
		}
	}
}

// isWorkers reports whether a line is about a child: what its program wrote, or how its worker failed.
func isWorkers(line []byte) bool { return bytes.Contains(line, []byte(" child=")) }

// lockedWriter writes to stderr, one line at a time with what is said.
type lockedWriter struct{ d *dev }

// Write writes to stderr.
func (w lockedWriter) Write(b []byte) (int, error) {
	w.d.print.Lock()
	defer w.d.print.Unlock()
	return w.d.app.err.Write(b)
}

func (d *dev) say(format string, args ...any) {
	d.print.Lock()
	defer d.print.Unlock()
	d.app.printf(format+"\n", args...)
}

// explain says what to try in a second terminal.
func (d *dev) explain() {
	url, hub := d.server.URL(), ""
	flags := ""
	if url != nats.DefaultURL {
		flags += " --server " + url
	}
	if d.app.hub != "default" {
		hub = " --hub " + d.app.hub
	}
	d.say(`NATS server on %[1]s, hub %[2]s. Ctrl-C ends all of it. In a second terminal:

  phub%[3]s child start c1 --kind counter --replicas 2 --model active_passive%[4]s
  phub%[3]s req c1 inc%[4]s
  phub%[3]s status%[4]s
  phub%[3]s hub watch%[4]s            and kill -9 one of the processes below
  nats%[3]s req phub.%[2]s.req.c1 inc
`, url, d.app.hub, flags, hub)
}
