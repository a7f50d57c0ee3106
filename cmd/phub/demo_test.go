package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
)

func TestDemo_TwoFailoversWithoutAFailedRequest(t *testing.T) {
	began := time.Now()
	r := phubRun(t, nil, "", "demo", "--json")
	if r.code != 0 || r.err != "" {
		t.Fatalf("got exit code %d and %q on stderr", r.code, r.err)
	}
	report := decode[demoReport](t, r)
	if len(report.Failovers) != 2 || report.Requests == 0 || report.Failed != 0 || report.DualActive != 0 {
		t.Errorf("got %+v", report)
	}
	for _, f := range report.Failovers {
		if f.Killed != f.From || f.To == f.From || f.To == "" || f.Epoch == 0 || f.Millis <= 0 || f.Child == "" {
			t.Errorf("got %+v", f)
		}
	}
	t.Logf("%v: %+v", time.Since(began), report)
}

func TestDemo_Interrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errOut := &safeBuffer{}, &safeBuffer{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"demo"}, stdio{nil, out, errOut}, func(string) string { return "" })
	}()
	waitFor(t, "the first node", func() bool { return strings.Contains(out.String(), "node1 started as process") })
	var pid int
	_, line, _ := strings.Cut(out.String(), "node1 started as process ")
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != exitFailed || !strings.Contains(errOut.String(), "interrupted") {
		t.Errorf("got exit code %d and %q", got, errOut)
	}
	if p, err := os.FindProcess(pid); err == nil && p.Signal(syscall.Signal(0)) == nil {
		t.Errorf("node1 (process %d) lives on", pid)
	}
}

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20s for %s", what)
		}
		pause(t.Context(), 5*time.Millisecond)
	}
}

func TestDev_RunsAHubUntilItIsInterrupted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errOut := &safeBuffer{}, &safeBuffer{}
	code := make(chan int, 1)
	go func() {
		args := []string{"dev", "--nodes", "2", "--port", fmt.Sprint(port), "--hub", "h"}
		code <- run(ctx, args, stdio{nil, out, errOut}, func(string) string { return "" })
	}()
	flags := fmt.Sprintf(" --server nats://127.0.0.1:%d", port)
	waitFor(t, "what to try", func() bool { return strings.Contains(out.String(), "phub"+flags+" status --hub h") })
	env := map[string]string{"NATS_URL": fmt.Sprintf("nats://127.0.0.1:%d", port), "PHUB_HUB": "h"}
	waitFor(t, "two nodes", func() bool {
		r := phubRun(t, env, "", "status", "--json", "--timeout", "2s")
		return r.code == 0 && decode[statusJSON](t, r).Nodes == 2
	})
	phubRun(t, env, "", "child", "start", "c1", "--kind", "counter", "--replicas", "2", "--model", "active_passive").want(t, 0, "active", "")
	phubRun(t, env, "", "req", "c1", "inc").want(t, 0, "1", "")
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("got exit code %d and %q", got, errOut)
	}
}

func TestNodeRun_JoinsAndLeaves(t *testing.T) {
	t.Parallel()
	url := natstest.Single(t).URL()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	env := map[string]string{"NATS_URL": url, "PHUB_HUB": "h"}
	errOut := &safeBuffer{}
	code := make(chan int, 1)
	go func() {
		args := strings.Fields("node run --name n1 --label zone=a --capacity 2 --lease 3s --log-json --kinds echo,counter,exec")
		code <- run(ctx, args, stdio{strings.NewReader(""), &safeBuffer{}, errOut}, func(k string) string { return env[k] })
	}()
	waitFor(t, "the node", func() bool { return phubRun(t, env, "", "node", "info", "n1", "--timeout", "2s").code == 0 })
	n := decode[phub.NodeInfo](t, phubRun(t, env, "", "node", "info", "n1", "--json"))
	if n.Labels["zone"] != "a" || n.Capacity != 2 || !n.Member || !n.Coordinator {
		t.Errorf("got %+v", n)
	}
	phubRun(t, env, "", "hub", "info").want(t, 0, "Lease        3s", "")
	phubRun(t, env, "", "hub", "ls").want(t, 0, "h    1      0", "")
	phubRun(t, env, "", "node", "run", "--name", "n2", "--lease", "4s").want(t, exitFailed, "", "3s")
	phubRun(t, env, "", "child", "start", "c1", "--kind", "nonsense").want(t, exitFailed, "", "Try: start a node that runs it")
	phubRun(t, env, "", "req", "nobody").want(t, exitFailed, "", "hub h has no such child")
	phubRun(t, env, "", "child", "start", "c2", "--kind", "exec", "--arg", "command=sh -c", "--arg", "arg1=echo hello >&2; cat").want(t, 0, "c2  n1 active", "")
	waitFor(t, "what the program wrote, in the node's log", func() bool { return strings.Contains(errOut.String(), `"line":"hello"`) })
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("got exit code %d and %q", got, errOut)
	}
	if !strings.HasPrefix(errOut.String(), "{") {
		t.Errorf("the log is no JSON: %q", errOut)
	}
}
