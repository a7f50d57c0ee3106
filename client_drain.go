package phub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/phub-io/phub/protocol"
)

// DrainState is how far a node's drain is.
type DrainState = protocol.DrainResponse

// StuckChild is a child that can't leave a node for now, and why.
type StuckChild = protocol.StuckChild

// ErrNotEmpty is in what Drain returns when time was over before the node was empty. The drain goes on all the same.
var ErrNotEmpty = errors.New("phub: the node is not empty yet")

// drainLook is how often the hub is asked how far a drain is.
const drainLook = 200 * time.Millisecond

// Drain has a node give all that it has to other nodes, and waits until it is empty. It gets nothing new until CancelDrain,
// or until its process ends; it stays a member. Each child is active elsewhere before the node lets it go, so clients
// see nothing of it. progress may be nil; it is called with each state that the hub told, in the caller's goroutine.
//
// When ctx ends first (30 s if it has no deadline), the state that was told last comes with an error that wraps ErrNotEmpty,
// and the drain goes on: Drain may be called again to wait on. A node that is no member is a Problem with code 404.
func (c *Client) Drain(ctx context.Context, node string, progress func(DrainState)) (DrainState, error) {
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	var last DrainState
	for {
		s, err := c.drain(ctx, node, false)
		if err != nil {
			return last, drainError(ctx, last, err)
		}
		if last = s; progress != nil {
			progress(s)
		}
		if s.Draining && s.Children == 0 && !s.Coordinates {
			return s, nil
		}
		if !pause(ctx, drainLook) {
			return s, fmt.Errorf("drain node %s: %w: %d children are left: %w", node, ErrNotEmpty, s.Children, ctx.Err())
		}
	}
}

// drainError says what an error means for a drain that was as far as last when the hub answered before.
func drainError(ctx context.Context, last DrainState, err error) error {
	switch {
	case last.Node == "":
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrNotEmpty, err)
	case errors.Is(err, ErrNoChild): // there is no such node
		return fmt.Errorf("drain node %s: it ended, or was silent for too long, before it was empty: %d children were left, which others take over: %w", last.Node, last.Children, err)
	}
	return err
}

// CancelDrain ends a drain that was asked for. A node that drains because it leaves can't be stopped: that is a
// Problem with code 409. A node that does not drain is no error.
func (c *Client) CancelDrain(ctx context.Context, node string) (DrainState, error) {
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	for {
		s, err := c.drain(ctx, node, true)
		if err != nil || !s.Draining {
			return s, err
		}
		if !pause(ctx, drainLook) {
			return s, fmt.Errorf("cancel the drain of node %s: %w", node, ctx.Err())
		}
	}
}

func (c *Client) drain(ctx context.Context, node string, cancel bool) (DrainState, error) {
	var s DrainState
	if err := protocol.ValidateNode(node); err != nil {
		return s, fmt.Errorf("drain node: %w", err)
	}
	err := c.control(ctx, protocol.VerbDrain, protocol.DrainRequest{Node: node, Cancel: cancel}, 0, &s)
	return s, err
}
