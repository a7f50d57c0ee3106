//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lastRelease returns the commit that testdata/last_release names.
func lastRelease(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/last_release")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	t.Fatal("testdata/last_release: found no commit")
	return ""
}

// buildRelease builds phub as it was at a commit, from this clone's history.
func buildRelease(t *testing.T, commit string) string {
	t.Helper()
	dir := t.TempDir()
	archive := exec.Command("git", "archive", "--format=tar", commit)
	archive.Dir = ".."
	var out, wrong bytes.Buffer
	archive.Stdout, archive.Stderr = &out, &wrong
	if err := archive.Run(); err != nil {
		t.Fatalf("commit %s of testdata/last_release is not in this clone: it needs the whole history (git fetch --unshallow): %v\n%s", commit, err, &wrong)
	}
	unpack(t, &out, dir)
	program := filepath.Join(dir, "phub-last-release")
	if err := goTool(dir, []string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly"}, "build", "-buildvcs=false", "-o", program, "./cmd/phub"); err != nil {
		t.Fatal(err)
	}
	return program
}

func unpack(t *testing.T, archive io.Reader, dir string) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// plainNode starts a node by a build's command line, with what all builds know.
func (h *testHub) plainNode(program, name string) *process {
	h.t.Helper()
	p := start(h.t, h.dir, name, program, "--no-context", "--server", h.nats.url(), "--hub", hubName, "node", "run", "--name", name)
	h.nodes[name] = p
	return p
}

// by runs another build's command line.
func (h *testHub) by(program string, args ...string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"--no-context", "--server", h.nats.url(), "--hub", hubName}, args...)...)
	cmd.Env = cleanEnv(h.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Errorf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
}

// rebuild stops nodes one by one and starts each again with another build, and works with the hub by both builds' command lines in
// between.
func (h *testHub) rebuild(from, to string) {
	h.t.Helper()
	names := []string{"node1", "node2", "node3"}
	for i, name := range names {
		p := h.nodes[name]
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(time.Minute):
			h.t.Fatalf("%s has not ended within a minute", name)
		}
		h.plainNode(to, name)
		h.settled(len(names))
		h.t.Logf("%s restarted; %s coordinates", name, h.coordinator())
		other := names[(i+1)%len(names)]
		for _, program := range []string{from, to} {
			h.by(program, "child", "start", "short", "--kind", "echo", "--replicas", "2", "--model", "active_passive")
			h.by(program, "child", "set", "short", "--tag", fmt.Sprintf("t%d", i), "--arg", "n="+filepath.Base(program))
			h.by(program, "child", "stop", "short")
			h.by(program, "status")
		}
		h.by(to, "node", "drain", other)
		h.by(from, "node", "drain", other, "--cancel")
		h.settled(len(names))
	}
}

// Two builds in one hub: the last release's and the present one. All nodes are upgraded one by one under plain requests, and then downgraded, and no
// client sees anything of it; in between both builds' command lines work with nodes of both, and each build's nodes coordinate.
func TestMixed_UpgradeAndDowngrade(t *testing.T) {
	old := buildRelease(t, lastRelease(t))
	h := &testHub{t: t, nats: startNATS(t, 3), nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	for _, name := range []string{"node1", "node2", "node3"} {
		h.plainNode(old, name)
	}
	h.settled(3)
	children := h.plainChildren()
	l := startLoad(t, h.nats, hubName, children)
	h.rebuild(old, bin.phub)
	upgraded := len(l.soFar())
	l.flawless(0, 1000)
	h.rebuild(bin.phub, old)
	l.stop()
	l.flawless(upgraded, 1000)
}
