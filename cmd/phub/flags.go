package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/choria-io/fisk"

	"github.com/phub-io/phub"
)

func init() {
	fisk.EnableFileExpansion = false // a payload may begin with @
}

// stdinMark stands for a bare "-", which fisk would take for an empty argument.
const stdinMark = "\x00-"

// markStdin returns args with each bare "-" marked.
func markStdin(args []string) []string {
	marked := slices.Clone(args)
	for i, arg := range marked {
		if arg == "-" {
			marked[i] = stdinMark
		}
	}
	return marked
}

// The words that flags take.
var (
	strategies = words(phub.Singularity, phub.Replication)
	models     = words(phub.ActiveActive, phub.ActivePassive)
	signals    = words(phub.SignalNone, phub.SignalActive, phub.SignalPassive, phub.SignalAll)
	balances   = words(phub.BalanceOn, phub.BalanceOff)
	policies   = words(phub.Permanent, phub.Transient, phub.Temporary)
	failovers  = words(phub.FailoverAuto, phub.FailoverStrict, phub.FailoverFast)
	logLevels  = []string{"debug", "info", "warn", "error"}
)

func words[S ~string](list ...S) []string {
	all := make([]string, len(list))
	for i, w := range list {
		all[i] = string(w)
	}
	return all
}

// choice declares a flag that takes one of some words; they are added to its help.
func choice(cmd *fisk.CmdClause, name, help string, words []string) *fisk.FlagClause {
	return cmd.Flag(name, help+": "+either(words)).Validator(oneOf(words))
}

// oneOf checks that a flag is one of some words. fisk's own check doesn't name the flag.
func oneOf(words []string) fisk.OptionValidator {
	return func(v string) error {
		if slices.Contains(words, v) {
			return nil
		}
		return wrongValue{v, either(words)}
	}
}

// either returns "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func failoverMode(v string) error { return oneOf(failovers)(v) }

// duration is all that fisk's parser, which skips what it does not know and cuts parts of a day to hours, takes as it reads.
var duration = regexp.MustCompile(`^(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h)|[0-9]+[dw])+)$`)

func isDuration(v string) error {
	if !duration.MatchString(v) {
		return wrongValue{v, "a time with a unit, such as 500ms, 5s or 2m"}
	}
	if d, err := fisk.ParseDuration(v); err != nil || d < 0 {
		return wrongValue{v, "a time with a unit, such as 500ms, 5s or 2m"}
	}
	return nil
}

func isNumber(v string) error {
	if _, err := strconv.Atoi(v); err != nil {
		return wrongValue{v, "a whole number"}
	}
	return nil
}

func isCount(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 0 {
		return wrongValue{v, "a whole number, 0 or more"}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// parsePairs reads flags of the form k=v.
func parsePairs(flag string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := make(map[string]string, len(list))
	for _, pair := range list {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" {
			return nil, usagef("--%s: found %q, want KEY=VALUE", flag, pair)
		}
		if _, twice := m[k]; twice {
			return nil, usagef("--%s: %q is given twice", flag, k)
		}
		m[k] = v
	}
	return m, nil
}
