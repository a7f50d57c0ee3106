package phub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

const (
	// controlTry is how long one try of a control request waits beyond what the request itself asks
	// for: a node that hangs may have got it.
	controlTry = 2 * time.Second
	// hubGrace is for how long a hub that nobody serves is asked again: its nodes may just be
	// connecting anew.
	hubGrace = time.Second
)

// control sends a control request and decodes the answer. All verbs may be repeated, so it tries
// again, until ctx ends, when there is no coordinator, no room or no answer. wait is how long the hub itself
// may take.
func (c *Client) control(ctx context.Context, verb string, req any, wait time.Duration, resp any) error {
	_, err := c.controlTwice(ctx, verb, req, wait, resp)
	return err
}

// controlTwice is control for who must know whether an earlier try may have had an effect.
func (c *Client) controlTwice(ctx context.Context, verb string, req any, wait time.Duration, resp any) (uncertain bool, err error) {
	data, err := json.Marshal(req)
	if err != nil {
		return false, fmt.Errorf("encode %s request: %w", verb, err)
	}
	ctx, cancel := withTimeout(ctx, defaultControlTimeout)
	defer cancel()
	call := controlCall{client: c, verb: verb, data: data, perTry: wait + controlTry, began: time.Now()}
	msg, err := call.run(ctx)
	if err != nil {
		return call.uncertain, err
	}
	if err := json.Unmarshal(msg.Data, resp); err != nil {
		return call.uncertain, fmt.Errorf("decode answer to %s: %w", verb, err)
	}
	return call.uncertain, nil
}

// controlCall is one control request through all of its tries.
type controlCall struct {
	client *Client
	verb   string
	data   []byte
	perTry time.Duration
	began  time.Time
	// uncertain is set once a try that did not fail for sure is repeated.
	uncertain bool
}

func (c *controlCall) run(ctx context.Context) (*nats.Msg, error) {
	for n := 0; ; n++ {
		msg, err := c.try(ctx)
		if err == nil || !c.again(ctx, err) {
			return msg, err
		}
		c.uncertain = c.uncertain || errors.Is(err, ErrNoCoordinator)
		if !pause(ctx, backoff(n)) {
			return nil, fmt.Errorf("%s: %w", c.verb, err)
		}
	}
}

// try sends the request, and again to some other node while no answer comes, and returns the first answer of use: the node that
// took it may have died, or wait for a coordinator that did. The hub carries equal requests out once.
func (c *controlCall) try(ctx context.Context) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.perTry)
	defer cancel()
	answers := make(chan controlAnswer, len(hedges)+1)
	send := func() {
		msg, err := c.ask(ctx)
		answers <- controlAnswer{msg, err}
	}
	go send()
	timer := time.NewTimer(hedges[0])
	defer timer.Stop()
	for asked, open := 1, 1; ; {
		select {
		case a := <-answers:
			if open--; open == 0 || !isVague(a.err) {
				return a.msg, a.err
			}
		case <-timer.C:
			c.uncertain = true
			go send()
			asked, open = asked+1, open+1
			if asked <= len(hedges) {
				timer.Reset(hedges[asked-1])
			}
		}
	}
}

// hedges are the times after which a request is sent once more, each after the one before.
var hedges = [...]time.Duration{2 * time.Second, 4 * time.Second}

type controlAnswer struct {
	msg *nats.Msg
	err error
}

// isVague reports whether the same request, on its way by another node, may still get a better answer.
func isVague(err error) bool {
	if p, ok := errors.AsType[controlError](err); ok {
		return p.Code == protocol.CodeBusy || p.Code == protocol.CodeHubNotServed || p.Code == protocol.CodeCancelled
	}
	return err != nil && !errors.Is(err, ErrDenied)
}

// ask sends the request once.
func (c *controlCall) ask(ctx context.Context) (*nats.Msg, error) {
	msg, err := c.client.denials.request(ctx, &nats.Msg{Subject: c.client.subjects.Control(c.verb), Data: c.data})
	switch {
	case errors.Is(err, ErrDenied):
		return nil, fmt.Errorf("%s: %w", c.verb, err)
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("hub %s: %w", c.client.hub, ErrNoHub)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return nil, fmt.Errorf("%s: %w: the hub %s was silent: %w", c.verb, ErrNoCoordinator, c.client.hub, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", c.verb, err)
	}
	if err := foreign(c.client.subjects.Control(c.verb), c.client.hub, msg); err != nil {
		return nil, fmt.Errorf("%s: %w", c.verb, err)
	}
	if p := problemOf(msg); p != nil {
		return nil, controlError{p}
	}
	return msg, nil
}

// again reports whether another try may end better than err.
func (c *controlCall) again(ctx context.Context, err error) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, ErrNoHub):
		return time.Since(c.began) < hubGrace
	case isBusy(err):
		return true // nothing was done, and there may be room soon
	}
	return errors.Is(err, ErrNoCoordinator)
}

// isBusy reports whether the hub had no room for the request.
func isBusy(err error) bool {
	var p controlError
	return errors.As(err, &p) && p.Code == protocol.CodeBusy
}

// problemOf returns the error that an answer carries, or nil.
func problemOf(msg *nats.Msg) *Problem {
	code := msg.Header.Get(protocol.HeaderErrorCode)
	if code == "" {
		return nil
	}
	var p Problem
	if json.Unmarshal(msg.Data, &p) != nil || p.Message == "" {
		p = Problem{Message: msg.Header.Get(protocol.HeaderError)}
	}
	p.Code = errorCode(code)
	return &p
}

// errorCode reads a code of a foreign answer; what is no number counts as an error of the handler.
func errorCode(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return protocol.CodeHandler
	}
	return n
}
