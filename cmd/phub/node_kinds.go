package main

import (
	"log/slog"
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/worker/kinds"
)

const (
	defaultKinds = "echo,counter"
	kindExec     = "exec"
)

// kindsFlag declares which kinds of worker a node runs.
func kindsFlag(cmd *fisk.CmdClause, list *string) {
	cmd.Flag("kinds", "Kinds of worker to run, with commas between: echo, counter, exec; default is "+defaultKinds).PlaceHolder("LIST").Default(defaultKinds).StringVar(list)
}

// kindsOf returns the kinds that a list names. What programs write to stderr goes to log.
func kindsOf(list string, log *slog.Logger) (map[string]phub.Kind, error) {
	known := kinds.Builtin()
	known[kindExec] = kinds.Exec{Logger: log}.Kind
	chosen := map[string]phub.Kind{}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if known[name] == nil {
			return nil, usagef("--kinds: %w", wrongValue{name, either(sortedKeys(known)) + ", or several with commas between"})
		}
		chosen[name] = known[name]
	}
	return chosen, nil
}
