package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phub-io/phub"
)

// The demo's pace.
const (
	demoCalm     = 1500 * time.Millisecond // requests flow before the first kill and after each
	demoTakeover = 20 * time.Second        // a takeover that takes longer has failed
)

// play is the story: a node dies and comes back, then the coordinator dies.
func (d *demo) play(ctx context.Context) error {
	d.say("A client sends requests to all children all the time")
	if !pause(ctx, demoCalm) {
		return stopped(ctx)
	}
	first, err := d.plainVictim(ctx)
	if err != nil {
		return err
	}
	if err := d.fail(ctx, first, "an active node"); err != nil {
		return err
	}
	if err := d.comeBack(ctx, first.node); err != nil {
		return err
	}
	second, err := d.coordinator(ctx)
	if err != nil {
		return err
	}
	if err := d.fail(ctx, second, "an active node that also is the coordinator"); err != nil {
		return err
	}
	if !pause(ctx, demoCalm) {
		return stopped(ctx)
	}
	return nil
}

// victim is a node to kill, and a child that is active on it.
type victim struct{ node, child string }

// plainVictim chooses child1's active node, or another child's if child1 is on the coordinator.
func (d *demo) plainVictim(ctx context.Context) (victim, error) {
	st, err := d.client.Status(ctx)
	if err != nil {
		return victim{}, err
	}
	return d.victim(ctx, func(node string) bool { return node != st.Coordinator.Node })
}

func (d *demo) coordinator(ctx context.Context) (victim, error) {
	st, err := d.client.Status(ctx)
	if err != nil {
		return victim{}, err
	}
	return d.victim(ctx, func(node string) bool { return node == st.Coordinator.Node })
}

// victim returns the first child whose active node is wanted.
func (d *demo) victim(ctx context.Context, wanted func(node string) bool) (victim, error) {
	for child, err := range d.client.List(ctx, phub.Filter{}) {
		if err != nil {
			return victim{}, err
		}
		if node := nodesIn(phub.Active, child.Replicas); node != "" && wanted(node) {
			return victim{node, child.Child}, nil
		}
	}
	return victim{}, errors.New("choose a node to kill: no child is active where the demo needs one")
}

// fail kills a node and waits for the first answer of whoever took over its child.
func (d *demo) fail(ctx context.Context, v victim, what string) error {
	d.say("%s", d.app.paint(red, fmt.Sprintf("kill -9 %s (process %d): %s, %s among its children", v.node, d.running[v.node].pid(), what, v.child)))
	answers := d.load.await(v.child, v.node)
	began := time.Now()
	if err := d.running[v.node].kill(); err != nil {
		return err
	}
	stop := d.load.burst(v.child)
	defer stop()
	select {
	case <-ctx.Done():
		return stopped(ctx)
	case <-time.After(demoTakeover):
		return fmt.Errorf("%s: nobody took over from %s within %v of its end%s", v.child, v.node, demoTakeover, d.belief(v.child))
	case a := <-answers:
		f := failover{Killed: v.node, Child: v.child, From: v.node, To: a.node, Epoch: a.epoch, Millis: millis(a.at.Sub(began))}
		d.report.Failovers = append(d.report.Failovers, f)
		d.say("%s", d.app.paint(green, fmt.Sprintf("%s: %s → %s, epoch %d, first answer %.1f ms after the kill", f.Child, f.From, f.To, f.Epoch, f.Millis)))
		return nil
	}
}

// belief returns what the hub says of a child, as the end of an error message.
func (d *demo) belief(child string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	info, err := d.client.Info(ctx, child)
	if err != nil {
		return "; the hub says: " + err.Error()
	}
	return fmt.Sprintf("; the hub says: active on %s, passive on %s, epoch %d", dash(nodesIn(phub.Active, info.Replicas)),
		dash(nodesIn(phub.Passive, info.Replicas)), info.Epoch)
}

// comeBack starts a killed node again and waits until every child has its replicas.
func (d *demo) comeBack(ctx context.Context, name string) error {
	if !pause(ctx, demoCalm/2) {
		return stopped(ctx)
	}
	d.say("Starting %s again", name)
	if err := d.restart(name); err != nil {
		return err
	}
	if err := d.settle(ctx, demoNodes); err != nil {
		return err
	}
	if !pause(ctx, demoCalm) { // it gets passive replicas meanwhile, and some active ones
		return stopped(ctx)
	}
	return nil
}
