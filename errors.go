package phub

import (
	"errors"
	"fmt"
	"strings"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// Errors that callers branch on, with errors.Is.
var (
	// ErrNoChild is returned when the hub has no child of that name. Nothing was done.
	ErrNoChild = errors.New("phub: no such child")
	// ErrNoActive is returned when no replica took the request before the deadline. Nothing was done:
	// the request may be sent again.
	ErrNoActive = errors.New("phub: no active replica")
	// ErrNoAnswer is returned when a request was sent and no answer came before the deadline. Its
	// effect is unknown. With the option Idempotent such a request is sent again.
	ErrNoAnswer = errors.New("phub: no answer")
	// ErrHandler matches every *RemoteError: the worker itself answered with an error.
	ErrHandler = errors.New("phub: handler error")
	// ErrNoHub is returned when no node of the hub answers control requests.
	ErrNoHub = errors.New("phub: no node answers")
	// ErrNoCoordinator is returned when nodes answer, but none of them coordinated the hub before the
	// deadline. Whether the request had an effect is unknown; starts, stops and moves may be repeated.
	ErrNoCoordinator = errors.New("phub: no coordinator")
	// ErrNotStored is returned when the hub can't do what was asked for because NATS refuses what it writes, or has not answered
	// for 10 s: the text has NATS's reason. Whether the request takes effect is unknown, unless the text says that nothing was
	// done; starts, stops and moves may be repeated.
	ErrNotStored = errors.New("phub: NATS does not store what the hub writes")
	// ErrPermanent is in what Join and Run return when NATS, or the way to it, is set up wrongly: waiting
	// won't mend it, a person must act. Most such errors are a *SetupError.
	ErrPermanent = coordinator.ErrPermanent
	// ErrUntold is returned by Leave and Run when NATS could not be reached to tell the hub: the other nodes
	// find out by themselves, as if this one had died.
	ErrUntold = coordinator.ErrUntold
	// ErrDenied matches every *DeniedError: the NATS user lacks a permission. `phub permissions` prints those that are
	// needed.
	ErrDenied = errors.New("phub: permission denied")
	// ErrDropped comes out of a watch when messages were lost: the caller was too slow, or the connection to NATS was
	// interrupted. The watch goes on.
	ErrDropped = errors.New("phub: watch has a gap")
)

// SetupError says how NATS, or one of the hub's buckets, differs from what phub needs, and what to try.
type SetupError = jetstream.SetupError

// RequestError says why a request to a child got no reply. It wraps ErrNoChild, ErrNoActive or
// ErrNoAnswer.
type RequestError struct {
	Child   string
	Retries int    // how often it was sent again
	Reason  string // of the last try
	kind    error
	cause   error
}

// Error returns one line with the child, the reason, and how often it was retried.
func (e *RequestError) Error() string {
	s := fmt.Sprintf("request to %s: %s", e.Child, e.Reason)
	switch e.Retries {
	case 0:
		return s
	case 1:
		return s + " (retried once)"
	}
	return fmt.Sprintf("%s (retried %d times)", s, e.Retries)
}

// Unwrap returns the sentinel, and what ended the last try.
func (e *RequestError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// RemoteError is an error that came as the answer to a request.
type RemoteError struct {
	Code    int    // as in HTTP; 500 for a handler that returned an error, 502 for one that panicked
	Message string // as the handler sent it
	Node    string // the node that answered
	Epoch   uint64 // the epoch in which it answered
	Cause   string // "cancelled", "panic" or "reply" if phub answered in the handler's place, else empty; see docs/wire.md
	Data    []byte // the body that came with the error, if any
	Retries int    // how often the request was sent again before this answer
}

// Error returns one line with code, message and node.
func (e *RemoteError) Error() string {
	from := ""
	if e.Node != "" {
		from = fmt.Sprintf(" from %s (epoch %d)", e.Node, e.Epoch)
	}
	return fmt.Sprintf("error %d%s: %s", e.Code, from, e.Message)
}

// Is reports whether target is ErrHandler, or ErrNoAnswer for a request that was cut short (its
// effect is unknown).
func (e *RemoteError) Is(target error) bool {
	return target == ErrHandler || target == ErrNoAnswer && e.Cause == protocol.CauseCancelled
}

// ChildrenError says that not all children are what was asked for: each such result has an Error. It unwraps to the Problem of
// the first, and is ErrNoChild if there is no such child.
type ChildrenError struct {
	Failed []ChildResult // those that are not, in the order in which they were named
	Of     int           // how many were named
}

// Error returns one line: what is wrong with the first of them, and how many there are.
func (e *ChildrenError) Error() string {
	first := e.Failed[0].Error.Error()
	if !strings.Contains(first, e.Failed[0].Child) {
		first = e.Failed[0].Child + ": " + first
	}
	if e.Of == 1 {
		return first
	}
	return fmt.Sprintf("%d of %d children are not as asked for; the first: %s", len(e.Failed), e.Of, first)
}

// Unwrap gives errors.As the Problem of the first.
func (e *ChildrenError) Unwrap() error { return e.Failed[0].Error }

// Is reports whether target is ErrNoChild, and the first does not exist; or ErrNotStored, and that is why the first is not as
// asked for.
func (e *ChildrenError) Is(target error) bool {
	code := e.Failed[0].Error.Code
	return target == ErrNoChild && code == protocol.CodeNotFound || target == ErrNotStored && code == protocol.CodeNotStored
}

// notAsAsked returns a *ChildrenError if any of the results has an error.
func notAsAsked(results []ChildResult) error {
	e := &ChildrenError{Of: len(results)}
	for i := range results {
		if results[i].Error != nil {
			e.Failed = append(e.Failed, results[i])
		}
	}
	if len(e.Failed) == 0 {
		return nil
	}
	return e
}

// controlError is a problem that the hub answered to a control request.
type controlError struct{ *Problem }

// Unwrap gives errors.As the Problem.
func (e controlError) Unwrap() error { return e.Problem }

// Is maps codes to sentinels.
func (e controlError) Is(target error) bool {
	switch target {
	case ErrNoChild:
		return e.Code == protocol.CodeNotFound
	case ErrNoCoordinator:
		return e.Code == protocol.CodeHubNotServed
	case ErrNotStored:
		return e.Code == protocol.CodeNotStored
	}
	return false
}
