package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phub-io/phub"
)

// once waits for a calm hub, strikes a node, and waits until all is well again.
func (b *bench) once(ctx context.Context) (benchRun, error) {
	victim, children, err := b.victim(ctx)
	if err != nil {
		return benchRun{}, err
	}
	limit, err := b.limit(ctx, len(children))
	if err != nil {
		return benchRun{}, err
	}
	p, err := b.newProbe(victim, children)
	if err != nil {
		return benchRun{}, err
	}
	defer p.stop()
	if _, err := b.client.Request(ctx, children[0], nil); err != nil { // all is as it was found
		return benchRun{}, err
	}
	p.began = time.Now()
	if err := b.strike(victim); err != nil {
		return benchRun{}, err
	}
	if err = p.until(ctx, trialPatience); err != nil {
		err = fmt.Errorf("wait for other nodes' answers: %w", err)
	}
	if err == nil {
		err = b.goOn(ctx, p, victim)
	}
	if b.hangs() {
		err = errors.Join(err, b.running[victim].kill())
	}
	if err != nil {
		return benchRun{}, err
	}
	b.report.DualActive += p.dual()
	r := benchRun{Victim: victim, Children: len(children), First: millis(p.first()), Last: millis(p.last()), Limit: millis(limit)}
	if err := b.restart(victim); err != nil {
		return benchRun{}, err
	}
	return r, b.settle(ctx, b.nodes)
}

// goOn looks for a second active replica when the failover is over: a node that hung wakes, and may believe for
// a moment that nothing has happened.
func (b *bench) goOn(ctx context.Context, p *probe, victim string) error {
	if !b.hangs() {
		return p.goOn(ctx, goOnKilled)
	}
	if err := b.running[victim].wake(); err != nil {
		return fmt.Errorf("wake %s: %w", victim, err)
	}
	return p.goOn(ctx, goOnWoken)
}

// For how long children are asked after a failover: the longer time is the hub's lease.
const (
	goOnKilled = 200 * time.Millisecond
	goOnWoken  = 2 * time.Second
)

func (b *bench) strike(node string) error {
	if b.hangs() {
		return b.running[node].hang()
	}
	return b.running[node].kill()
}

// victim chooses the node that the fault asks for, with the most active children, and waits until
// there is one.
func (b *bench) victim(ctx context.Context) (string, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	calm, counted := 0, -1
	for began := time.Now(); ; {
		if err := b.wait(ctx, 200*time.Millisecond); err != nil { // the hub moves load in the first seconds after a join
			return "", nil, fmt.Errorf("wait for a node to strike: %w", err)
		}
		st, err := b.client.Status(ctx)
		if err != nil || !st.Settled || st.Nodes != b.nodes {
			continue
		}
		active, err := b.activeByNode(ctx)
		if err != nil {
			continue
		}
		coordinator := st.Coordinator.Node
		node := b.busiest(active, coordinator)
		if calm++; len(active[node]) != counted {
			calm, counted = 0, len(active[node])
		}
		if node != "" && (calm >= benchCalm && b.even(counted) || time.Since(began) > benchEven) {
			return node, active[node], nil
		}
		if node == "" && (b.strikesCoordinator() || b.children == 1) { // else balance brings some
			if err := b.bring(ctx, coordinator); err != nil {
				return "", nil, err
			}
		}
	}
}

// benchEven is for how long the hub may make its load even before the next node is struck.
const benchEven = 15 * time.Second

// benchCalm is how often in a row it must have as many active ones: nothing is moved any more.
const benchCalm = 3

// even reports whether the busiest node has about its share of the active children.
func (b *bench) even(active int) bool {
	share := b.children / b.nodes
	return share == 0 || active >= share*9/10 && active <= share*5/4
}

// busiest returns the node with the most active children among those that the fault strikes, or "".
func (b *bench) busiest(active map[string][]string, coordinator string) string {
	busiest := ""
	for _, node := range sortedKeys(active) {
		if (node == coordinator) == b.strikesCoordinator() && len(active[node]) > len(active[busiest]) {
			busiest = node
		}
	}
	return busiest
}

// bring moves the first child to or away from the coordinator, so that there is something to strike.
func (b *bench) bring(ctx context.Context, coordinator string) error {
	nodes, err := b.client.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes.Nodes {
		if n.Member && (n.Node == coordinator) == b.strikesCoordinator() {
			_, err := b.client.Move(ctx, "child1", n.Node)
			return err
		}
	}
	return errors.New("no node to move the child to")
}

func (b *bench) activeByNode(ctx context.Context) (map[string][]string, error) {
	active := map[string][]string{}
	for child, err := range b.client.List(ctx, phub.Filter{}) {
		if err != nil {
			return nil, err
		}
		if node := nodesIn(phub.Active, child.Replicas); node != "" {
			active[node] = append(active[node], child.Child)
		}
	}
	return active, nil
}
