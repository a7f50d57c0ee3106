package worker

import (
	"context"

	"github.com/phub-io/phub/protocol"
)

// Worker is the code that a user writes; there is one value of it for each replica.
type Worker interface {
	// Handle answers one request. It is called for one request at a time, in order of arrival, and
	// never while ModeChanged runs. ctx is cancelled when the replica loses its role or is stopped;
	// context.Cause says why. The result is sent to whoever asked; an error that is an *Error with its
	// code, any other with 500. A panic answers 502 and restarts the replica.
	Handle(ctx context.Context, r *Request) ([]byte, error)
}

// HandlerFunc makes a Worker of a function.
type HandlerFunc func(ctx context.Context, r *Request) ([]byte, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, r *Request) ([]byte, error) { return f(ctx, r) }

// Starter is a Worker that is to be started before its first request. An error counts as a failure:
// the replica is restarted with back-off. ctx is cancelled when the replica is stopped meanwhile.
type Starter interface {
	Start(ctx context.Context, r Replica) error
}

// Runner is a Worker with background work. Run is called on its own goroutine after the start, in
// either mode, and runs while the replica lives: returning nil is its normal end, an error a failure.
// What follows is up to the child's restart policy. ctx is cancelled when the replica is stopped.
type Runner interface {
	Run(ctx context.Context) error
}

// ModeListener is a Worker that wants to know its mode. ModeChanged is called first of all after the
// start, and then at each change, before any request of that mode; which modes are told is the
// child's redundancy_signal.
type ModeListener interface {
	ModeChanged(ctx context.Context, m ModeChange)
}

// Stopper is a Worker that has something to clean up. Stop is called once for each worker that was
// started without an error, also after it ended or panicked; no other method but Run runs then,
// unless it ignored its context. ctx ends with the time-out after which the worker is abandoned.
type Stopper interface {
	Stop(ctx context.Context) error
}

// ModeChange says in which mode a replica is from now on, in which epoch, and why.
type ModeChange struct {
	Mode   protocol.Mode
	Epoch  uint64
	Reason string
}

// Kind makes the worker of one replica. An error counts as a failed start.
type Kind func(r Replica) (Worker, error)

// Replica is what a worker knows of itself. The maps must not be changed.
type Replica struct {
	Hub      string
	Child    string
	Node     string
	Kind     string
	Args     map[string]string
	Metadata map[string]string

	slot *slot
}

// Mode returns the replica's mode at this moment. It may be called concurrently.
func (r Replica) Mode() protocol.Mode {
	m, _ := r.slot.current()
	return m
}

// Epoch returns the epoch that goes with Mode. It may be called concurrently.
func (r Replica) Epoch() uint64 {
	_, e := r.slot.current()
	return e
}
