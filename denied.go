package phub

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// DeniedError says what a NATS server did not let a client's user do. It is an ErrDenied; if it is the inbox that can't be
// subscribed to, then no answer reaches the client, so whether a request was handled is unknown, and it is an ErrNoAnswer, too.
type DeniedError struct {
	Subject string
	// Inbox: the user may not subscribe to Subject, where answers to this connection would come. Otherwise it may not
	// publish to Subject, or not subscribe to what it wants to watch; then nothing was done.
	Inbox bool
	Err   error // as the server said it
}

// Error returns one line: what was denied, and what that means.
func (e *DeniedError) Error() string {
	if e.Inbox {
		return fmt.Sprintf("%v: no answer can come: %v; whether the request was handled is unknown", ErrDenied, e.Err)
	}
	return fmt.Sprintf("%v: %v; nothing was done", ErrDenied, e.Err)
}

// Is reports whether target is ErrDenied, or ErrNoAnswer for an inbox.
func (e *DeniedError) Is(target error) bool {
	return target == ErrDenied || target == ErrNoAnswer && e.Inbox
}

// Unwrap returns what the server said, a nats.ErrPermissionViolation.
func (e *DeniedError) Unwrap() error { return e.Err }

// deniedAfter is how long an answer is waited for before the server is asked whether it took the request at all.
const deniedAfter = 100 * time.Millisecond

// denials finds out whether a server refused what was sent. It doesn't answer what it refuses; it tells the connection, whose error
// handler is the user's. But the connection keeps the last thing that it was told, and a flush brings that up to date. What another
// refusal on the same connection has covered in the meantime is not found: the request then ends with its context, as before.
type denials struct {
	nc    *nats.Conn
	inbox atomic.Pointer[inboxDenial]
}

// inboxDenial is kept, because a connection subscribes to its inbox once only.
type inboxDenial struct {
	err        *DeniedError
	reconnects uint64 // of the connection, which subscribes again with each
}

// request sends a request and waits for the answer, no longer than until it is known that none can come. ctx must have a deadline.
func (d *denials) request(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	ctx, stop := d.during(ctx, msg.Subject)
	defer stop()
	answer, err := d.nc.RequestMsgWithContext(ctx, msg)
	if err == nil {
		return answer, nil
	}
	if denied, ok := errors.AsType[*DeniedError](context.Cause(ctx)); ok {
		return nil, denied
	}
	return nil, err
}

// deniedOr returns what a server refused while something was done in a context of during, or else what came of that.
func deniedOr(ctx context.Context, err error) error {
	if denied, ok := errors.AsType[*DeniedError](context.Cause(ctx)); ok && err != nil {
		return denied
	}
	return err
}

// during returns a context that ends, with a *DeniedError as its cause, if the server refuses to have something published to a
// subject, or to all that match it if it ends in ">"; or if the connection's inboxes are refused. stop ends the waiting.
func (d *denials) during(ctx context.Context, subject string) (watched context.Context, stop func()) {
	before := d.nc.LastError()
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(deniedAfter, func() {
		if d.nc.FlushWithContext(ctx) != nil {
			return
		}
		if err := d.find(subject, before); err != nil {
			cancel(err)
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// find returns the refusal of a subject that came after another error, or that of the inboxes, whenever it came.
func (d *denials) find(subject string, before error) error {
	last := d.nc.LastError()
	if v, ok := violationOf(last); ok {
		switch {
		case v.subscription && strings.HasPrefix(v.subject, d.inboxPrefix()):
			d.inbox.Store(&inboxDenial{&DeniedError{v.subject, true, last}, d.nc.Stats().Reconnects})
		case !v.subscription && !same(last, before) && covers(subject, v.subject):
			return &DeniedError{v.subject, false, last}
		}
	}
	if i := d.inbox.Load(); i != nil && i.reconnects == d.nc.Stats().Reconnects {
		return i.err
	}
	return nil
}

func (d *denials) inboxPrefix() string {
	if p := d.nc.Opts.InboxPrefix; p != "" {
		return p + "."
	}
	return nats.InboxPrefix
}

// subscribed returns an error if the server refused one of the subscriptions that were made after before, and flushed.
func (d *denials) subscribed(before error, subjects []string) error {
	last := d.nc.LastError()
	if v, ok := violationOf(last); ok && v.subscription && !same(last, before) {
		for _, s := range subjects {
			if s == v.subject {
				return &DeniedError{s, false, last}
			}
		}
	}
	return nil
}

// same reports whether two errors are one and the same.
func same(a, b error) bool { return b != nil && errors.Is(a, b) }

func covers(filter, subject string) bool {
	prefix, ok := strings.CutSuffix(filter, ">")
	return subject == filter || ok && strings.HasPrefix(subject, prefix)
}

type violation struct {
	subscription bool
	subject      string
}

var violationText = regexp.MustCompile(`(?i)permissions violation for (publish|subscription) to "([^"]+)"`)

func violationOf(err error) (violation, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return violation{}, false
	}
	m := violationText.FindStringSubmatch(err.Error())
	if m == nil {
		return violation{}, false
	}
	return violation{strings.EqualFold(m[1], "subscription"), m[2]}, true
}
