package worker

import (
	"context"

	"github.com/phub-io/phub/protocol"
)

// Worker is the code that a user writes. Each replica has its own value.
type Worker interface {
	// Handle answers one request. It is called for one request at a time, in order of arrival, and
	// never while ModeChanged runs. ctx is cancelled when the replica loses its role or is stopped;
	// context.Cause says why. The caller gets the result. An *Error is sent with its code, any other
	// error with 500. A panic answers 502 and restarts the replica.
	Handle(ctx context.Context, r *Request) ([]byte, error)
}

// HandlerFunc makes a Worker of a function.
type HandlerFunc func(ctx context.Context, r *Request) ([]byte, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, r *Request) ([]byte, error) { return f(ctx, r) }

// Starter is a Worker that prepares itself before its first request. An error counts as a failure:
// the replica is restarted with back-off. ctx is cancelled if the replica is stopped meanwhile.
type Starter interface {
	Start(ctx context.Context, r Replica) error
}

// Runner is a Worker with background work in either mode. Run is called on its own goroutine after the start,
// and may run as long as the replica lives. Returning nil is a normal end, an error is a
// failure; the child's restart policy decides what follows. ctx is cancelled when the replica is stopped.
type Runner interface {
	Run(ctx context.Context) error
}

// ActiveRunner is a Worker with background work of which no two replicas are to do any at a time: that of a leader, or of
// the owner of a partition. RunActive is called on its own goroutine, concurrently with Handle, when the replica is
// active, after ModeChanged; again in each epoch; never while an earlier call still runs.
//
// ctx ends when the replica is active no more: in a planned change when the requests that it took are finished, and no later
// than the node's lease. context.Cause says why. No other replica is told that it is active before RunActive has
// returned, for at most as long as a handler may take: return soon. A process that is stopped can't be told: ctx.Err looks at the
// lease when it is called, and whatever is written should bear the epoch.
//
// Returning before ctx ends is as with Runner: nil is a normal end, an error is a failure, and the child's restart policy
// decides what follows. What it returns after that counts only if it panics.
type ActiveRunner interface {
	RunActive(ctx context.Context, epoch uint64) error
}

// ModeListener is a Worker that wants to know its mode. ModeChanged is called right after the start,
// and then at each change, before any request in that mode. Of more than 64 changes that wait because it does not return, the
// newest stands for those after the 63rd. The child's redundancy_signal says which modes it is called for. In a planned change
// no other replica is told that it is active before ModeChanged has returned. ctx ends when that is waited for no longer.
type ModeListener interface {
	ModeChanged(ctx context.Context, m ModeChange)
}

// Stopper is a Worker that cleans up. Stop is called once for each worker that started without an
// error, even after it ended or panicked. Meanwhile no other method but Run runs, unless it ignored its
// context. When ctx ends, the worker is abandoned.
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

// CountLogDropped counts lines that a worker would have logged, but for their number. The hub's status shows them as refused
// input of the kind "log". It may be called concurrently.
func (r Replica) CountLogDropped(lines uint64) { r.slot.h.cfg.Refused.Add(protocol.ReasonLog, lines) }

// Epoch returns the epoch that goes with Mode. It may be called concurrently.
func (r Replica) Epoch() uint64 {
	_, e := r.slot.current()
	return e
}
