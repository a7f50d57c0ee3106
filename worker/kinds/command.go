package kinds

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// Args of an exec child that are phub's own; all are handed to the program as well.
const (
	argCommand = "command"
	argReady   = "ready"
	argNATS    = "nats_env"
)

// argvOf returns the program and its arguments: the arg "command" is a JSON array of strings, or
// words split at blanks; the args "arg1", "arg2", … follow.
func argvOf(args map[string]string) ([]string, error) {
	command := strings.TrimSpace(args[argCommand])
	argv := strings.Fields(command)
	if strings.HasPrefix(command, "[") {
		argv = nil
		if err := json.Unmarshal([]byte(command), &argv); err != nil {
			return nil, &protocol.FieldError{Field: "args.command", Found: fmt.Sprintf("%.80q", command), Allowed: `a JSON array of strings, such as ["python3","worker.py"]`}
		}
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, &protocol.FieldError{Field: "args.command", Found: "nothing", Allowed: "the program to run, such as --arg command=./worker.sh"}
	}
	for i := 1; ; i++ {
		arg, ok := args[fmt.Sprintf("arg%d", i)]
		if !ok {
			return argv, nil
		}
		argv = append(argv, arg)
	}
}

// distinctNames returns an error if two args would be the same variable in the program's environment.
func distinctNames(args map[string]string) error {
	by := make(map[string]string, len(args))
	for _, key := range slices.Sorted(maps.Keys(args)) {
		name := envName(key)
		if other, ok := by[name]; ok {
			return &protocol.FieldError{
				Field:   "args." + key,
				Found:   fmt.Sprintf("the variable PHUB_ARG_%s, which %s has already", name, other),
				Allowed: "names that differ in letters and digits, not only in case or in other characters",
			}
		}
		by[name] = key
	}
	return nil
}

// environ returns the program's environment: the node's own, and what it is to know of its replica. The node's login to
// NATS is not for the program, unless the child asks for it.
func environ(r worker.Replica) []string {
	mode, epoch := r.Mode(), r.Epoch()
	env := os.Environ()
	if r.Args[argNATS] != "true" {
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, "NATS_") })
	}
	env = append(env,
		"PHUB_HUB="+r.Hub, "PHUB_CHILD="+r.Child, "PHUB_NODE="+r.Node,
		"PHUB_MODE="+string(mode), fmt.Sprintf("PHUB_EPOCH=%d", epoch))
	for k, v := range r.Args {
		env = append(env, "PHUB_ARG_"+envName(k)+"="+strings.ReplaceAll(v, "\x00", ""))
	}
	return env
}

// envName makes a name that shells accept: upper case, and _ for all but letters and digits.
func envName(key string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			return c
		}
		return '_'
	}, key)
}
