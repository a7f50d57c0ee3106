// Package kinds has the kinds of workers that need no code: echo, counter, and exec, which runs a
// program of the user's, written in any language. docs/workers.md tells how to use them.
package kinds

import "github.com/phub-io/phub/worker"

// Builtin returns the kinds echo and counter, by these names. Exec is not among them: whoever may start children can
// run any program with it, as the node's user. A node that is to have it names it:
//
//	all := kinds.Builtin()
//	all["exec"] = kinds.Exec{}.Kind
func Builtin() map[string]worker.Kind {
	return map[string]worker.Kind{"echo": Echo, "counter": Counter}
}
