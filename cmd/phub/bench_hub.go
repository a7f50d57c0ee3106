package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/protocol"
)

func (b *bench) start(ctx context.Context) (err error) {
	if b.embedded > 0 {
		if b.servers, err = natsembed.StartCluster(b.embedded, natsembed.Config{Name: "bench", Account: embeddedAccount, System: true}); err != nil {
			return err
		}
		b.nc, err = nats.Connect(b.servers.URL(), nats.MaxReconnects(-1))
	} else {
		b.nc, err = b.app.conn.connect(nats.MaxReconnects(-1))
	}
	if err != nil {
		return err
	}
	if b.client, err = phub.NewClient(b.nc, b.hub); err != nil {
		return err
	}
	b.say("Starting %d nodes and %s in hub %s", b.nodes, plural(b.children, "child", "children"), b.hub)
	for i := range b.nodes {
		if err := b.startNode(fmt.Sprintf("node%d", i+1)); err != nil {
			return err
		}
		if i == 0 {
			if err := b.settled(ctx, 1); err != nil {
				return err
			}
		}
	}
	if err := b.settled(ctx, b.nodes); err != nil {
		return err
	}
	return b.startChildren(ctx)
}

func (b *bench) startNode(name string) error {
	command := []string{"node", "run", "--with-parent", "--hub", b.hub, "--name", name}
	if b.failover != "" {
		command = append(command, "--failover", b.failover)
	}
	return b.startProcess(name, command)
}

func (b *bench) startProcess(name string, command []string) error {
	var log io.Writer
	if b.verbose {
		log = b.app.err
	}
	server, flags, env := "", []string(nil), []string(nil)
	if b.servers != nil {
		server = b.servers.URL()
	} else {
		flags, env = b.app.conn.handOn()
	}
	p, err := startSelf(name, command, server, flags, env, log)
	if err == nil {
		b.running[name] = p
	}
	return err
}

func (b *bench) startChildren(ctx context.Context) error {
	specs := make([]phub.Spec, b.children)
	for i := range specs {
		specs[i] = phub.Spec{
			Child: fmt.Sprintf("child%d", i+1), Kind: "echo",
			Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive},
		}
	}
	progress := b.app.progress("started", b.children)
	defer progress.end()
	began := time.Now()
	results, err := b.client.Start(ctx, specs, progress.update)
	if err != nil {
		return err
	}
	for i := range results {
		if wrong := troubles(&results[i]); len(wrong) > 0 {
			return fmt.Errorf("start %s: %s", results[i].Child, wrong[0])
		}
	}
	b.say("%s with %d replicas: all run after %.2f s", plural(b.children, "child", "children"), 2*b.children, time.Since(began).Seconds())
	return nil
}

// settled waits until the hub has that many nodes and all replicas that it wants.
func (b *bench) settled(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, benchPatience)
	defer cancel()
	for {
		st, err := b.client.Status(ctx)
		if err == nil && st.Nodes == nodes && st.Settled && st.NoActive == 0 && st.Incomplete == 0 {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("wait for %d nodes and all replicas: found %d nodes, %d of %d replicas: %w", nodes, st.Nodes, st.Replicas, st.Wanted, errors.Join(err, stopped(ctx)))
		}
	}
}

// benchPatience bounds each wait for the hub.
const benchPatience = 60 * time.Second

// blame adds what a node that ended by itself said.
func (b *bench) blame(err error) error {
	for _, name := range sortedKeys(b.running) {
		p := b.running[name]
		select {
		case <-p.done:
			err = fmt.Errorf("%w\n%s ended: %w; it said:\n%s", err, name, p.err, p.log)
		default:
		}
	}
	return err
}

// cleanUp ends the nodes, and deletes the hub.
func (b *bench) cleanUp() error {
	nodes := make([]*nodeProcess, 0, len(b.running))
	for _, p := range b.running {
		_ = p.wake() // one that is stopped can't leave
		nodes = append(nodes, p)
	}
	stopAll(nodes)
	var err error
	if b.nc != nil {
		if b.servers == nil {
			err = b.deleteHub()
		}
		b.nc.Close()
	}
	if b.servers != nil {
		return b.servers.Close()
	}
	return err
}

func (b *bench) deleteHub() error {
	js, err := jetstream.New(b.nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, bucket := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		if e := js.DeleteKeyValue(ctx, bucket.Name(b.hub)); e != nil && !errors.Is(e, jetstream.ErrBucketNotFound) {
			err = errors.Join(err, fmt.Errorf("delete bucket %s: %w", bucket.Name(b.hub), e))
		}
	}
	return err
}
