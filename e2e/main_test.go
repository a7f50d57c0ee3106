//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// natsCLI is the version of the nats command line that drives phub in these tests.
const natsCLI = "v0.5.1"

// bin holds the programs that the tests run.
var bin struct {
	dir                              string
	phub, testnode, natsServer, nats string
	// unsafe is a testnode that can be told to do without a safety rule.
	unsafe string
}

func TestMain(m *testing.M) {
	if err := build(); err != nil {
		fmt.Fprintf(os.Stderr, "build what the tests run: %v\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// build builds all programs into bin/e2e of the checkout, static as in the images, and removes the logs
// of the last run. With
// PHUB_E2E_RACE=1 phub and testnode get the race detector.
func build() error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	bin.dir = filepath.Join(root, "bin", "e2e")
	if err := os.RemoveAll(filepath.Join(bin.dir, "logs")); err != nil {
		return err
	}
	env := []string{"CGO_ENABLED=0"}
	var flags []string
	if os.Getenv("PHUB_E2E_RACE") == "1" {
		env, flags = []string{"CGO_ENABLED=1"}, []string{"-race"}
	}
	for _, p := range []struct {
		path  *string
		name  string
		pkg   string
		env   []string
		flags []string
	}{
		{&bin.phub, "phub", "./cmd/phub", env, flags},
		{&bin.testnode, "testnode", "./e2e/testnode", env, flags},
		{&bin.unsafe, "testnode-unsafe", "./e2e/testnode", env, append([]string{"-tags", "phub_unsafe"}, flags...)},
		{&bin.natsServer, "nats-server", "github.com/nats-io/nats-server/v2", []string{"CGO_ENABLED=0"}, nil},
	} {
		*p.path = filepath.Join(bin.dir, p.name)
		args := append([]string{"build", "-o", *p.path}, p.flags...)
		if err := goTool(root, p.env, append(args, p.pkg)...); err != nil {
			return err
		}
	}
	return installNATS(root)
}

func installNATS(root string) error {
	bin.nats = filepath.Join(bin.dir, "nats")
	if out, err := exec.Command(bin.nats, "--version").Output(); err == nil && strings.TrimSpace(string(out)) == natsCLI {
		return nil
	}
	return goTool(root, []string{"GOBIN=" + bin.dir, "GOFLAGS="}, "install", "github.com/nats-io/natscli/nats@"+natsCLI)
}

func goTool(dir string, env []string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
