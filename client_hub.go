package phub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// setLook is how often the hub is asked whether a change of its configuration is stored.
const setLook = 20 * time.Millisecond

// SetHub changes the configuration while the hub runs, waits until that is stored, and returns the configuration as it is then. change
// has what is to be changed, and leaves all else open; Config.With says what may be changed. Redundancy is for children that are started
// or changed later.
//
// revision is Config.Revision of the configuration that the change was made from, which Status has; if somebody else changed it since,
// nothing is changed, and the error is a Problem with code 409. With 0 it is changed whatever it is. If it is as asked for
// already, that is no error. What can't be changed is a Problem with code 400.
func (c *Client) SetHub(ctx context.Context, change Config, revision uint64) (Config, error) {
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	for {
		var s protocol.SetResponse
		if err := c.control(ctx, protocol.VerbSet, protocol.SetRequest{Config: change, Revision: revision}, 0, &s); err != nil || s.Done {
			return s.Config, err
		}
		if !pause(ctx, setLook) {
			return s.Config, fmt.Errorf("set hub %s: whether the change takes effect is unknown: it is not stored yet: %w", c.hub, ctx.Err())
		}
	}
}

// RemoveHub deletes the buckets of a hub that nobody serves, in a JetStream domain; an empty one is that of the connection's
// server. While a node answers, or one wrote to the buckets in the last 10 s, which may live without being heard here, it deletes nothing,
// and the error is a Problem with code 409. A hub of which nothing is left is one with code 404. The user needs the right to publish to
// $JS.API.STREAM.INFO and $JS.API.STREAM.DELETE of the three buckets' streams, which no list of permissions has, and to ctl.status.
func RemoveHub(ctx context.Context, nc *nats.Conn, hub, domain string) error {
	c, err := NewClient(nc, hub)
	if err != nil {
		return err
	}
	if err := protocol.ValidateDomain(domain); err != nil {
		return fmt.Errorf("remove hub %s: %w", hub, err)
	}
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	if err := c.unserved(ctx); err != nil {
		return err
	}
	ctx, stop := c.denials.during(ctx, protocol.JetStreamAPI(domain)+">")
	defer stop()
	err = deniedOr(ctx, jetstream.RemoveBuckets(ctx, nc, hub, domain))
	switch {
	case errors.Is(err, jetstream.ErrNoBuckets):
		return &Problem{Code: protocol.CodeNotFound, Message: "there is no hub " + hub, Try: "phub hub ls"}
	case errors.Is(err, jetstream.ErrInUse):
		return hubLives(hub, err.Error()+": it may live without being heard here")
	case err != nil:
		return fmt.Errorf("remove hub %s: %w", hub, err)
	}
	return nil
}

// unservedPatience is for how long a node that hangs may leave a question unanswered before it is taken to live.
const unservedPatience = 5 * time.Second

// unserved fails unless no node of the hub is connected.
func (c *Client) unserved(ctx context.Context) error {
	asked, cancel := context.WithTimeout(ctx, unservedPatience)
	defer cancel()
	_, err := c.Status(asked)
	switch {
	case errors.Is(err, ErrNoHub):
		return nil
	case errors.Is(err, ErrDenied):
		return err
	case err == nil:
		return hubLives(c.hub, "nodes answer")
	}
	return hubLives(c.hub, "nodes are connected: "+err.Error())
}

func hubLives(hub, found string) *Problem {
	return &Problem{
		Code: protocol.CodeConflict, Message: "hub " + hub + " lives; nothing was deleted: " + protocol.Cut(found, protocol.MaxText),
		Try: "stop its nodes (phub node ls), wait 10 s, and again",
	}
}
