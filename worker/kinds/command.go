package kinds

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// Args of an exec child that are phub's own; all are handed to the program as well.
const (
	argCommand = "command"
	argReady   = "ready"
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

// environ returns the program's environment: the node's own, and what it is to know of its replica.
func environ(r worker.Replica) []string {
	mode, epoch := r.Mode(), r.Epoch()
	env := append(os.Environ(),
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
