package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/internal/natstest"
)

func TestNodeRun_RunsProgramsOnlyIfToldTo(t *testing.T) {
	t.Parallel()
	env := map[string]string{"NATS_URL": natstest.Single(t).URL(), "PHUB_HUB": "h"}
	node := func(name string, flags ...string) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		t.Cleanup(func() { cancel(); <-ended })
		go func() {
			args := append([]string{"node", "run", "--name", name, "--log-level", "error"}, flags...)
			ended <- run(ctx, args, stdio{strings.NewReader(""), &safeBuffer{}, &safeBuffer{}}, func(k string) string { return env[k] })
		}()
		waitFor(t, "node "+name, func() bool { return phubRun(t, env, "", "node", "info", name, "--timeout", "2s").code == 0 })
	}
	start := func(child string) result {
		return phubRun(t, env, "", "child", "start", child, "--kind", "exec", "--arg", "command=cat")
	}
	node("n1")
	start("c1").want(t, exitFailed, "", `no node runs kind "exec"; the hub's nodes run: counter, echo`)
	node("n2", "--kinds", "exec")
	start("c2")
	phubRun(t, env, "", "child", "ls").want(t, 0, "c2     exec  n2", "")
}

func TestKindsOf_HasWhatIsNamed(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		defaultKinds:          {"counter", "echo"},
		"exec":                {"exec"},
		"exec, echo":          {"echo", "exec"},
		"echo,echo,exec,echo": {"echo", "exec"},
	} {
		got, err := kindsOf(list, nil)
		if names := slices.Sorted(maps.Keys(got)); err != nil || !slices.Equal(names, want) {
			t.Errorf("%s: got %q, %v, want %q", list, names, err, want)
		}
	}
	for _, list := range []string{"", "shell", "echo,", "Echo"} {
		if got, err := kindsOf(list, nil); err == nil {
			t.Errorf("%q: got %d kinds, want an error", list, len(got))
		}
	}
}
