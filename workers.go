package phub

import "github.com/phub-io/phub/worker"

// Types that the code of a worker names. Each is documented where it is declared.
type (
	// Worker is the code that a user writes; each replica has its own value.
	Worker = worker.Worker
	// HandlerFunc is a Worker that consists of its handler only.
	HandlerFunc = worker.HandlerFunc
	// Kind makes the worker of one replica.
	Kind = worker.Kind
	// Replica tells a worker who it is.
	Replica = worker.Replica
	// Message is a request as a worker's handler gets it.
	Message = worker.Request
	// ModeChange tells a worker its mode.
	ModeChange = worker.ModeChange
	// Starter is a Worker that prepares itself before its first request.
	Starter = worker.Starter
	// Runner is a Worker with background work.
	Runner = worker.Runner
	// ActiveRunner is a Worker with background work that only the active replica does.
	ActiveRunner = worker.ActiveRunner
	// ModeListener is a Worker that is told its mode.
	ModeListener = worker.ModeListener
	// Stopper is a Worker that cleans up when it is stopped.
	Stopper = worker.Stopper
	// HandlerError is an error with a code of the worker's own.
	HandlerError = worker.Error
)

// ErrNotHandled is for a handler that did nothing with a request, and wants it to be sent again.
var ErrNotHandled = worker.ErrNotHandled

// Causes with which the context of a handler, an ActiveRunner or a Runner ends; see context.Cause.
var (
	ErrLeaseLost = worker.ErrLeaseLost
	ErrDemoted   = worker.ErrDemoted
	ErrStopped   = worker.ErrStopped
	ErrFailed    = worker.ErrFailed
	// ErrHandlerLimit is of a handler only: it ran longer than the child's HandlerLimit.
	ErrHandlerLimit = worker.ErrHandlerLimit
)
