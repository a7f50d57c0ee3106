// Package kinds has the kinds of workers that need no code: echo, counter, and exec, which runs a
// program of the user's, written in any language. docs/workers.md tells how to use them.
package kinds

import (
	"log/slog"

	"github.com/phub-io/phub/worker"
)

// Builtin returns the kinds by the names under which every node of the command line has them:
// "echo", "counter" and "exec". What programs write to stderr goes to slog.Default.
func Builtin() map[string]worker.Kind { return BuiltinWith(nil) }

// BuiltinWith is Builtin with a logger for what programs write to stderr. nil means slog.Default.
func BuiltinWith(log *slog.Logger) map[string]worker.Kind {
	return map[string]worker.Kind{"echo": Echo, "counter": Counter, "exec": Exec{Logger: log}.Kind}
}
