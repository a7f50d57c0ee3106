package phub

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// Reply is a replica's answer to a request.
type Reply struct {
	Data    []byte
	Header  nats.Header
	Node    string // the node that answered
	Epoch   uint64 // the epoch in which it answered
	Retries int    // how often the request was sent again
}

// RequestOption changes one request.
type RequestOption func(*requestOptions)

type requestOptions struct {
	header     nats.Header
	idempotent bool
	perTry     time.Duration
}

// Idempotent says that the request may be handled more than once. It is then also sent again if it
// was delivered and no answer came, or if the replica lost its role while it handled it.
func Idempotent() RequestOption {
	return func(o *requestOptions) { o.idempotent = true }
}

// PerTry is how long an Idempotent request waits for an answer before it is sent again. Defaults to
// 1 s. It has no effect on other requests.
func PerTry(d time.Duration) RequestOption {
	return func(o *requestOptions) { o.perTry = d }
}

// WithHeader sends headers along with the request.
func WithHeader(h nats.Header) RequestOption {
	return func(o *requestOptions) { o.header = h }
}

const (
	defaultPerTry = time.Second
	// lookupAfter is how long nobody listens for a child before the hub is asked whether there is one.
	lookupAfter = 50 * time.Millisecond
)

// Request sends a request to the active replica of a child and returns its reply. It retries with
// back-off until ctx ends (5 s if that has no deadline), but only where that is safe: when nobody
// received the request, and when the replica answered that it may not serve at this moment.
//
// Errors: ErrNoChild if the hub has no such child; ErrNoActive if no replica took the request in time;
// ErrNoAnswer if it was delivered and not answered; a *RemoteError if the handler answered with an
// error; ErrDenied if the NATS user may not send it, or not get an answer. The first three come as a *RequestError.
func (c *Client) Request(ctx context.Context, child string, data []byte, opts ...RequestOption) (*Reply, error) {
	if err := protocol.ValidateChild(child); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	ctx, cancel := withTimeout(ctx, defaultRequestTimeout)
	defer cancel()
	r := &request{client: c, child: child, data: data, opts: requestOptions{perTry: defaultPerTry}}
	for _, opt := range opts {
		opt(&r.opts)
	}
	return r.run(ctx)
}

// request is one request through all of its tries.
type request struct {
	client  *Client
	child   string
	data    []byte
	opts    requestOptions
	retries int
	reason  string    // why the last try is to be repeated
	unheard time.Time // since when nobody listens; zero if somebody did at the last try
	asked   bool      // whether the hub has been asked for the child
}

// outcome is what a try came to.
type outcome int

const (
	done    outcome = iota // there is a reply, or an error that stays
	again                  // nothing was done, or may be done again
	expired                // the deadline came while an answer was waited for
)

func (r *request) run(ctx context.Context) (*Reply, error) {
	for {
		reply, what, err := r.try(ctx)
		switch what {
		case done:
			return reply, err
		case expired:
			return nil, r.fail(ErrNoAnswer, "it was delivered, and no answer came in time; whether it was handled is unknown", err)
		}
		if r.missing(ctx) {
			return nil, r.fail(ErrNoChild, fmt.Sprintf("hub %s has no such child", r.client.hub), nil)
		}
		if !pause(ctx, backoff(r.retries)) {
			return nil, r.fail(r.kind(), r.reason, ctx.Err())
		}
		r.retries++
	}
}

// kind returns the sentinel for a request whose deadline came between two tries.
func (r *request) kind() error {
	if r.reason == reasonSilent || r.reason == reasonCancelled {
		return ErrNoAnswer
	}
	return ErrNoActive
}

// Reasons to try again.
const (
	reasonNobody    = "no replica listens for it at this moment"
	reasonNotActive = "its replica may not serve at this moment"
	reasonSilent    = "no answer came; whether it was handled is unknown"
	reasonCancelled = "the replica lost its role while it handled it; its effect is unknown"
)

func (r *request) fail(kind error, reason string, cause error) error {
	return &RequestError{Child: r.child, Retries: r.retries, Reason: reason, kind: kind, cause: cause}
}

// try sends the request once.
func (r *request) try(ctx context.Context) (*Reply, outcome, error) {
	tryCtx := ctx
	if r.opts.idempotent {
		var cancel context.CancelFunc
		tryCtx, cancel = context.WithTimeout(ctx, r.opts.perTry)
		defer cancel()
	}
	msg := &nats.Msg{Subject: r.client.subjects.Request(r.child), Data: r.data, Header: r.opts.header}
	answer, err := r.client.denials.request(tryCtx, msg)
	if err == nil {
		return r.judge(answer)
	}
	return nil, r.judgeError(ctx, err), r.transport(err)
}

// judgeError says what to do after a try without an answer, and notes the reason.
func (r *request) judgeError(ctx context.Context, err error) outcome {
	if errors.Is(err, ErrDenied) {
		return done
	}
	if errors.Is(err, nats.ErrNoResponders) {
		if r.unheard.IsZero() {
			r.unheard = time.Now()
		}
		r.reason = reasonNobody
		return again
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return done
	}
	r.unheard = time.Time{}
	if !r.opts.idempotent || ctx.Err() != nil {
		return expired
	}
	r.reason = reasonSilent
	return again
}

func (r *request) transport(err error) error {
	return fmt.Errorf("request to %s: %w", r.child, err)
}

// judge says what an answer comes to.
func (r *request) judge(msg *nats.Msg) (*Reply, outcome, error) {
	r.unheard = time.Time{}
	if err := foreign(r.client.subjects.Request(r.child), r.client.hub, msg); err != nil {
		return nil, done, r.transport(err)
	}
	epoch, _ := strconv.ParseUint(msg.Header.Get(protocol.HeaderEpoch), 10, 64) // 0: not said
	node := msg.Header.Get(protocol.HeaderNode)
	code := msg.Header.Get(protocol.HeaderErrorCode)
	if code == "" {
		return &Reply{Data: msg.Data, Header: msg.Header, Node: node, Epoch: epoch, Retries: r.retries}, done, nil
	}
	cause := msg.Header.Get(protocol.HeaderCause)
	switch n := errorCode(code); {
	case n == protocol.CodeNotActive && epoch == 0: // a handler's own 503 has an epoch
		r.reason = reasonNotActive
		return nil, again, nil
	case cause == protocol.CauseCancelled && r.opts.idempotent:
		r.reason = reasonCancelled
		return nil, again, nil
	default:
		return nil, done, &RemoteError{
			Code: n, Message: msg.Header.Get(protocol.HeaderError),
			Node: node, Epoch: epoch, Cause: cause, Data: msg.Data, Retries: r.retries,
		}
	}
}

// missing asks the hub, once, whether there is such a child, if nobody has listened for a while. When
// the hub does not say, the child counts as there.
func (r *request) missing(ctx context.Context) bool {
	if r.asked || r.unheard.IsZero() || time.Since(r.unheard) < lookupAfter {
		return false
	}
	r.asked = true
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := r.client.Info(ctx, r.child)
	return errors.Is(err, ErrNoChild)
}
