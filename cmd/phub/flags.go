package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/choria-io/fisk"
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

// oneOf checks that a flag is one of some words. fisk's own check doesn't name the flag.
func oneOf(words ...string) fisk.OptionValidator {
	return func(v string) error {
		if slices.Contains(words, v) {
			return nil
		}
		return fmt.Errorf("found %q, allowed is one of %s", v, strings.Join(words, ", "))
	}
}

func failoverMode(v string) error { return oneOf("auto", "strict", "fast")(v) }

func isDuration(v string) error {
	if _, err := fisk.ParseDuration(v); err != nil {
		return fmt.Errorf("found %q, allowed is a time with a unit, such as 500ms, 5s or 2m", v)
	}
	return nil
}

func isNumber(v string) error {
	if _, err := strconv.Atoi(v); err != nil {
		return fmt.Errorf("found %q, allowed is a whole number", v)
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
			return nil, usagef("--%s: found %q, allowed is KEY=VALUE", flag, pair)
		}
		if _, twice := m[k]; twice {
			return nil, usagef("--%s: %q is given twice", flag, k)
		}
		m[k] = v
	}
	return m, nil
}
