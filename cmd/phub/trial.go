package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/protocol"
)

// trial is a hub that demo and bench make for themselves: each node is a process, and the NATS servers run in
// this process, or are those that the connection flags name.
type trial struct {
	app       *app
	hub       string
	embedded  int                // so many servers run in this process; 0: none
	plain     bool               // they have a default configuration
	nodeFlags []string           // for each node, beside those that bring it into the hub
	started   func(*nodeProcess) // called for each process that was started; may be nil
	verbose   bool               // the log of the nodes is shown

	servers *natsembed.Cluster // nil: those that the connection flags name
	nc      *nats.Conn
	client  *phub.Client
	running map[string]*nodeProcess // by name, with those that were killed
	print   sync.Mutex
}

// embeddedAccount is what clients of embedded servers belong to, as docs/nats.md advises: an account with
// access to what phub uses of the system account.
const embeddedAccount = "PHUB"

// open starts the servers, if they run in this process, and connects.
func (t *trial) open() (err error) {
	if t.embedded == 0 {
		t.nc, err = t.connect("", nats.MaxReconnects(-1))
	} else {
		cfg := natsembed.Config{Name: t.hub}
		if !t.plain {
			cfg.Account, cfg.System = embeddedAccount, true
		}
		if t.servers, err = natsembed.StartCluster(t.embedded, cfg); err != nil {
			return err
		}
		t.nc, err = t.connect(t.servers.URL(), nats.MaxReconnects(-1))
	}
	if err != nil {
		return err
	}
	t.client, err = phub.NewClient(t.nc, t.hub)
	return err
}

// server returns the address that the node of a number, from 0, connects to first: embedded servers take turns;
// "" is what the connection flags say.
func (t *trial) server(i int) string {
	if t.servers == nil {
		return ""
	}
	return t.servers.Servers[i%len(t.servers.Servers)].URL()
}

// connect opens a connection to the server with an address, or to what the connection flags say.
func (t *trial) connect(server string, opts ...nats.Option) (*nats.Conn, error) {
	if server == "" {
		return t.app.conn.connect(opts...)
	}
	nc, err := nats.Connect(server, append(opts, nats.Name("phub"))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the servers in this process: %w", err)
	}
	return nc, nil
}

// startNodes starts node1, node2 and so on: the first makes the hub, the others join it together.
func (t *trial) startNodes(ctx context.Context, n int) error {
	for i := range n {
		if err := t.startNode(fmt.Sprintf("node%d", i+1), t.server(i)); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if err := t.settle(ctx, 1); err != nil {
			return err
		}
	}
	return t.settle(ctx, n)
}

func (t *trial) startNode(name, server string) error {
	flags, env := t.handOn(server)
	return t.keep(startNode(name, t.hub, server, append(flags, t.nodeFlags...), env, t.log()))
}

// startOther starts a process that is no node: this program with another command.
func (t *trial) startOther(name, server string, command ...string) error {
	flags, env := t.handOn(server)
	return t.keep(startSelf(name, command, server, flags, env, t.log()))
}

// handOn returns what a process needs to connect as the connection flags say; nothing if it is told a server.
func (t *trial) handOn(server string) (flags, env []string) {
	if server != "" {
		return nil, nil
	}
	return t.app.conn.handOn()
}

func (t *trial) log() io.Writer {
	if !t.verbose {
		return nil
	}
	return t.app.err
}

// keep takes a process that was started: close ends it.
func (t *trial) keep(p *nodeProcess, err error) error {
	if err != nil {
		return err
	}
	if t.running == nil {
		t.running = map[string]*nodeProcess{}
	}
	t.running[p.name] = p
	if t.started != nil {
		t.started(p)
	}
	return nil
}

// restart starts a node again that was killed, on the same server.
func (t *trial) restart(name string) error {
	p := t.running[name]
	<-p.done
	return t.startNode(name, p.server)
}

// startChildren starts child1, child2 and so on, each with an active and a passive replica, and returns their names.
func (t *trial) startChildren(ctx context.Context, n int) ([]string, error) {
	names, specs := make([]string, n), make([]phub.Spec, n)
	for i := range specs {
		names[i] = fmt.Sprintf("child%d", i+1)
		specs[i] = phub.Spec{
			Child: names[i], Kind: "echo",
			Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive},
		}
	}
	progress := t.app.progress("started", n)
	defer progress.end()
	results, err := t.client.Start(ctx, specs, progress.update)
	if err != nil {
		return nil, err
	}
	for i := range results {
		if wrong := troubles(&results[i]); len(wrong) > 0 {
			return nil, fmt.Errorf("start %s: %s", results[i].Child, wrong[0])
		}
	}
	return names, nil
}

// close ends the processes and the servers of this process; from other servers it deletes the hub.
func (t *trial) close() error {
	processes := make([]*nodeProcess, 0, len(t.running))
	for _, p := range t.running {
		_ = p.wake() // one that is stopped can't leave
		processes = append(processes, p)
	}
	stopAll(processes)
	var err error
	if t.nc != nil {
		if t.servers == nil {
			err = t.deleteHub()
		}
		t.nc.Close()
	}
	if t.servers != nil {
		err = t.servers.Close()
	}
	return err
}

// inDomain returns JetStream in a domain; an empty one is that of the server.
func inDomain(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain == "" {
		return jetstream.New(nc)
	}
	return jetstream.NewWithDomain(nc, domain)
}

func (t *trial) deleteHub() error {
	domain := ""
	if t.servers == nil {
		var err error
		if domain, err = t.app.conn.domain(); err != nil {
			return err
		}
	}
	js, err := inDomain(t.nc, domain)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, bucket := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		if e := js.DeleteKeyValue(ctx, bucket.Name(t.hub)); e != nil && !errors.Is(e, jetstream.ErrBucketNotFound) {
			err = errors.Join(err, fmt.Errorf("delete bucket %s: %w", bucket.Name(t.hub), e))
		}
	}
	return err
}

// say prints a line; nothing with --json.
func (t *trial) say(format string, args ...any) {
	if t.app.json {
		return
	}
	t.print.Lock()
	defer t.print.Unlock()
	t.app.printf(format+"\n", args...)
}
