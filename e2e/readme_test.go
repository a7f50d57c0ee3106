//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/blocks"
)

// blockLimit is how long one block may take.
const blockLimit = 3 * time.Minute

// TestREADME tests every code block of README.md; package blocks says how. Blocks that run share one
// folder and one hub, so that one may use what an earlier one made, as a reader does.
func TestREADME(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{root: root, dir: t.TempDir()}
	found, err := blocks.Parse(r.file(t, "README.md"))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	r.startDev(t)
	for _, b := range found {
		t.Run(fmt.Sprintf("line%d", b.Line), func(t *testing.T) { r.try(t, b) })
	}
}

// reader does what a reader of the README does.
type reader struct {
	root, dir string
	port      int
	output    string // of the last block that ran
}

func (r *reader) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// startDev starts what `phub dev` is for: a hub to try things on. The README's commands find it by
// NATS_URL instead of the default port, which another program may have.
func (r *reader) startDev(t *testing.T) {
	t.Helper()
	r.port = freePorts(t, 1)[0]
	start(t, r.dir, "dev", bin.phub, "dev", "--hub", hubName, "--port", fmt.Sprint(r.port))
	h := &testHub{t: t, dir: r.dir, nats: &natsCluster{t: t, dir: r.dir, servers: []*natsServer{{url: fmt.Sprintf("nats://127.0.0.1:%d", r.port)}}}}
	h.connect()
	h.settled(3)
}

func (r *reader) try(t *testing.T, b blocks.Block) {
	switch b.Test {
	case "run":
		r.run(t, r.dir, b.Text, "NATS_URL=nats://127.0.0.1:"+fmt.Sprint(r.port), "PHUB_HUB="+hubName)
	case "root":
		r.run(t, r.root, b.Text)
	case "ci":
		if err := blocks.Holds(commands(r.file(t, ".ci/run")), b.Text); err != nil {
			t.Errorf(".ci/run has %v", err)
		}
	case "output":
		if err := blocks.Shown(b.Text, r.output); err != nil {
			t.Errorf("%v in:\n%s", err, r.output)
		}
	case "in":
		if err := blocks.Holds(r.file(t, b.Arg), b.Text); err != nil {
			t.Errorf("%s has %v", b.Arg, err)
		}
	case "skip":
		t.Logf("not tested: %s", b.Arg)
	}
}

// commands returns a shell script with the bodies of its one-line functions on lines of their own.
func commands(script string) string {
	return strings.NewReplacer("() { ", "() {\n", "; }", "\n}").Replace(script)
}

// run runs a block as a script that ends at its first error.
func (r *reader) run(t *testing.T, dir, script string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blockLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(cleanGo(r.dir), append(env, "PATH="+bin.dir+":"+os.Getenv("PATH"))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	r.output = out.String()
	t.Logf("%s\n%s", script, r.output)
	if err != nil {
		t.Errorf("the block ended with %v", err)
	}
}

// cleanGo is cleanEnv with the caches that Go needs, which it finds by the home folder.
func cleanGo(home string) []string {
	env := cleanEnv(home)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil {
			env = append(env, name+"="+strings.TrimSpace(string(out)))
		}
	}
	return env
}
