package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// trialPatience bounds each wait for the hub.
const trialPatience = 60 * time.Second

// settle waits until the hub has that many nodes and all replicas that it wants.
func (t *trial) settle(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, trialPatience)
	defer cancel()
	for {
		st, err := t.client.Status(ctx)
		if err == nil && st.Nodes == nodes && st.Settled && st.NoActive == 0 && st.Incomplete == 0 && len(t.ended()) == 0 {
			return nil
		}
		if wrong := t.wait(ctx, 20*time.Millisecond); wrong != nil {
			if errors.Is(wrong, context.DeadlineExceeded) {
				wrong = errors.Join(err, wrong)
			}
			return fmt.Errorf("wait for %d nodes and all replicas: found %d nodes, %d of %d replicas: %w", nodes, st.Nodes, st.Replicas, st.Wanted, wrong)
		}
	}
}

// wait pauses between two looks. It returns an error if there is nothing more to look for: ctx has ended, or a
// process that should run.
func (t *trial) wait(ctx context.Context, d time.Duration) error {
	if !pause(ctx, d) {
		return stopped(ctx)
	}
	if list := t.ended(); len(list) > 0 {
		return fmt.Errorf("%s ended by itself", list[0].name)
	}
	return nil
}

// ended returns the processes that have ended and that nobody here has killed.
func (t *trial) ended() []*nodeProcess {
	var list []*nodeProcess
	for _, name := range sortedKeys(t.running) {
		p := t.running[name]
		select {
		case <-p.done:
			if !p.struck {
				list = append(list, p)
			}
		default:
		}
	}
	return list
}

// blame adds to an error what those processes said that ended by themselves. After an interruption it does not:
// a terminal interrupts them, too.
func (t *trial) blame(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		if errors.Is(err, context.Canceled) {
			return stopped(ctx)
		}
		return err
	}
	for _, p := range t.ended() {
		err = fmt.Errorf("%w\n%s ended: %v", err, p.name, p.cmd.ProcessState)
		if said := p.log.String(); said != "" {
			err = fmt.Errorf("%w; it said:\n%s", err, said)
		}
	}
	return err
}
