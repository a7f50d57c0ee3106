package worker

import (
	"errors"
	"fmt"

	"github.com/phub-io/phub/protocol"
)

// Causes of the end of a handler's context: see context.Cause.
var (
	// ErrLeaseLost is the cause when the node may not trust itself any more, or lost its connection.
	ErrLeaseLost = errors.New("phub: the node's lease ran out")
	// ErrDemoted is the cause when the replica is active no more and the handler did not end in time.
	ErrDemoted = errors.New("phub: the replica is active no more")
	// ErrStopped is the cause when the replica is being stopped.
	ErrStopped = errors.New("phub: the replica is being stopped")
	// ErrFailed is the cause when the replica failed: it panicked, or its Run returned.
	ErrFailed = errors.New("phub: the replica failed")
	// ErrHandlerLimit is the cause when the handler ran longer than the child's HandlerLimit.
	ErrHandlerLimit = errors.New("phub: the handler ran longer than its limit")
)

// ErrNotHandled is for a handler that did nothing with a request, and wants it to be sent again: the answer
// then is error 503 without an epoch, which says so. Return it, or an error that wraps it.
var ErrNotHandled = errors.New("not handled")

// ErrAttached is returned by Host.Attach when another transport is still attached.
var ErrAttached = errors.New("phub: another transport is attached; detach it first")

// ErrHostStopped is returned by Host.Attach after Host.Stop.
var ErrHostStopped = errors.New("phub: the host is stopped")

// Error is an error with a code of its own, sent to whoever asked.
type Error struct {
	Code    int // in Nats-Service-Error-Code; 0 means 500
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf makes an *Error.
func Errorf(code int, format string, args ...any) error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errorText returns what is kept of an error of a worker's: it goes into heartbeats, into the child's entry and to whoever asks.
// There is room for what phub says before it.
func errorText(s string) string { return protocol.Cut(s, protocol.MaxText-128) }

// codeOf returns the code with which a handler's error is sent.
func codeOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok && e.Code > 0 {
		return e.Code
	}
	return protocol.CodeHandler
}
