package phub

import (
	"errors"
	"fmt"
)

// ErrNotReady is in what Ready returns.
var ErrNotReady = errors.New("phub: not ready")

// Ready returns nil if the node is a member of its hub, holds its lease, and all replicas that are placed on it run, whether active or
// not. Otherwise it says what is missing, in an error that wraps ErrNotReady. A replica does not run while its worker
// starts, is restarted or is being replaced, nor once it was given up. A node that is leaving is not ready.
func (n *Node) Ready() error {
	st := n.coord.Status()
	pending, failed := n.host.Unsettled()
	switch {
	case n.Err() != nil:
		return fmt.Errorf("%w: the node has ended: %w", ErrNotReady, n.Err())
	case n.leaving.Load():
		return fmt.Errorf("%w: the node is leaving", ErrNotReady)
	case !st.Connected:
		return fmt.Errorf("%w: not connected to NATS", ErrNotReady)
	case !st.Member:
		return fmt.Errorf("%w: no member of hub %s", ErrNotReady, n.opts.Hub)
	case !n.host.Trusts():
		return fmt.Errorf("%w: no lease", ErrNotReady)
	case pending > 0:
		return fmt.Errorf("%w: replicas that do not run: %d", ErrNotReady, pending)
	case failed > 0:
		return fmt.Errorf("%w: replicas that were given up: %d", ErrNotReady, failed)
	}
	return nil
}
