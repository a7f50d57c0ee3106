package phub

import "github.com/phub-io/phub/worker"

// What the code of a worker names. Each is documented where it is declared.
type (
	// Worker is the code a user writes; one value of it per replica.
	Worker = worker.Worker
	// HandlerFunc is a Worker that is nothing but its handler.
	HandlerFunc = worker.HandlerFunc
	// Kind makes the worker of one replica.
	Kind = worker.Kind
	// Replica tells a worker who it is.
	Replica = worker.Replica
	// Message is a request as a worker's handler gets it.
	Message = worker.Request
	// ModeChange tells a worker of its mode.
	ModeChange = worker.ModeChange
	// Starter is a Worker that prepares itself before its first request.
	Starter = worker.Starter
	// Runner is a Worker with work of its own beside requests.
	Runner = worker.Runner
	// ModeListener is a Worker that is told of its mode.
	ModeListener = worker.ModeListener
	// Stopper is a Worker that cleans up when it is stopped.
	Stopper = worker.Stopper
	// HandlerError is an error with a code of the worker's own.
	HandlerError = worker.Error
)

// Causes with which the context of a handler or Runner ends: context.Cause.
var (
	ErrLeaseLost = worker.ErrLeaseLost
	ErrDemoted   = worker.ErrDemoted
	ErrStopped   = worker.ErrStopped
	ErrFailed    = worker.ErrFailed
)
