//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/clock"
)

// composeProject keeps the test's containers apart from the user's.
const composeProject = "phub-e2e"

// stack is the stack of docker-compose.yml, on ports of its own.
type stack struct {
	t       *testing.T
	compose []string // the command: a plugin of docker, or a program
	file    string
	env     []string
	urls    []string
	home    string
}

// requireDocker skips the test where no Docker engine runs, unless PHUB_E2E_COMPOSE=must.
func requireDocker(t *testing.T) {
	t.Helper()
	out, err := exec.Command("docker", "info").CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("PHUB_E2E_COMPOSE") == "must":
		t.Fatalf("PHUB_E2E_COMPOSE=must, but no Docker engine answers: %v\n%s", err, out)
	default:
		t.Skipf("no Docker engine runs here, so that docker-compose.yml is not tested: %v", err)
	}
}

// composeCommands returns the Compose tools that are here: version 2, a plugin of docker, and version 1.
func composeCommands(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, c := range map[string][]string{"v2": {"docker", "compose"}, "v1": {"docker-compose"}} {
		if exec.Command(c[0], append(c[1:], "version")...).Run() == nil {
			found[name] = c
		}
	}
	if len(found) == 0 {
		t.Fatal("a Docker engine runs here, but there is neither `docker compose` nor docker-compose: install one of them")
	}
	return found
}

// startStack builds the images that can't be pulled, and brings the stack up.
func startStack(t *testing.T, compose []string) *stack {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, compose: compose, file: filepath.Join(root, "docker-compose.yml"), env: cleanEnv(t.TempDir()), home: t.TempDir()}
	for i, port := range freePorts(t, 3) {
		s.env = append(s.env, fmt.Sprintf("NATS%d_PORT=%d", i+1, port))
		s.urls = append(s.urls, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	s.buildNATS()
	s.buildPhub(root)
	s.run("down", "--volumes", "--timeout", "1") // what a test that was cut off has left
	t.Cleanup(s.down)
	s.run("up", "--detach", "--no-build")
	return s
}

// run runs compose, and returns what it printed. The test fails if it does.
func (s *stack) run(args ...string) string {
	s.t.Helper()
	return s.command(slices.Concat(s.compose, []string{"--project-name", composeProject, "--file", s.file}, args)...)
}

func (s *stack) command(line ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *stack) down() {
	if s.t.Failed() {
		s.t.Logf("--- the ends of the containers' logs:\n%s", s.run("logs", "--no-color", "--tail", "20"))
	}
	s.run("down", "--volumes", "--timeout", "10")
}

var imageLine = regexp.MustCompile(`(?m)^  image: (\S+)$`)

// images returns the names that the compose file has for NATS and for phub.
func (s *stack) images() (nats, phub string) {
	s.t.Helper()
	data, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	m := imageLine.FindAllStringSubmatch(string(data), -1)
	if len(m) != 2 || !strings.HasPrefix(m[0][1], "nats:") || !strings.HasPrefix(m[1][1], "phub:") {
		s.t.Fatalf("found the images %q in %s, want NATS's and phub's", m, s.file)
	}
	return m[0][1], m[1][1]
}

// buildNATS makes the image of the nats-server in go.mod, unless there is one of that name: where it
// can be pulled, the real one is tested.
func (s *stack) buildNATS() {
	s.t.Helper()
	image, _ := s.images()
	if exec.Command("docker", "image", "inspect", image).Run() == nil {
		return
	}
	dir := s.t.TempDir()
	if err := os.Link(bin.natsServer, filepath.Join(dir, "nats-server")); err != nil {
		data, err := os.ReadFile(bin.natsServer) // on another file system
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "nats-server"), data, 0o755)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	dockerfile := "FROM scratch\nCOPY nats-server /nats-server\nENTRYPOINT [\"/nats-server\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.command("docker", "build", "--tag", image, dir)
}

// buildPhub makes the image of the repository's Dockerfile, with a binary that was built outside.
func (s *stack) buildPhub(root string) {
	s.t.Helper()
	if err := goTool(root, []string{"CGO_ENABLED=0"}, "build", "-o", "dist/phub", "./cmd/phub"); err != nil {
		s.t.Fatal(err)
	}
	_, image := s.images()
	s.command("docker", "build", "--target", "prebuilt", "--tag", image, root)
}

// container returns the id of a service's container.
func (s *stack) container(service string) string {
	s.t.Helper()
	return s.run("ps", "--all", "--quiet", service) // Compose v2 lists only those that run, without --all
}

func (s *stack) nats(args ...string) string {
	s.t.Helper()
	return natsCommand(s.t, s.home, strings.Join(s.urls, ","), args...)
}

func TestCompose(t *testing.T) {
	requireDocker(t)
	for name, compose := range composeCommands(t) {
		t.Run(name, func(t *testing.T) { composed(t, compose) })
	}
}

func composed(t *testing.T, compose []string) {
	t.Helper()
	s := startStack(t, compose)
	h := &testHub{t: t, dir: s.home, nats: &natsCluster{t: t, dir: s.home}}
	for _, url := range s.urls {
		h.nats.servers = append(h.nats.servers, &natsServer{url: url})
	}
	h.connect()
	h.settled(3)
	h.phub("child", "start", "child%d", "--count", "4", "--kind", "echo", "--replicas", "2", "--model", "active_passive")
	h.settled(3)
	s.reachedByPlainNATS()
	l := startLoad(t, h.nats, hubName, []string{"child1", "child2", "child3", "child4"})

	s.survivesKill(h, l)
	s.survivesPause(h, l)
	s.survivesServerKill(h, l)
	l.stop()
	s.stopsInOrder()
}

// reachedByPlainNATS uses nothing but the nats command line.
func (s *stack) reachedByPlainNATS() {
	s.t.Helper()
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"req", "phub.my_hub.req.child1", "hello"}, []string{"hello", "Phub-Node", "Phub-Epoch"}},
		{[]string{"kv", "ls"}, []string{"phub_my_hub_nodes", "phub_my_hub_children", "phub_my_hub_placement"}},
		{[]string{"kv", "ls", "phub_my_hub_children"}, []string{"child1", "child4"}},
		{[]string{"kv", "get", "phub_my_hub_placement", "child1", "--raw"}, []string{`"mode":"active"`, `"mode":"passive"`}},
		{[]string{"micro", "ls"}, []string{"phub node"}},
		{[]string{"micro", "info", "phub"}, []string{"phub.my_hub.ctl"}},
	} {
		out := s.nats(tc.args...)
		for _, want := range tc.want {
			if !strings.Contains(out, want) {
				s.t.Errorf("nats %s: found no %q in:\n%s", strings.Join(tc.args, " "), want, out)
			}
		}
	}
	if ids := serviceID.FindAllString(s.nats("micro", "ls"), -1); len(ids) != 3 {
		s.t.Errorf("nats micro ls shows the services %q, want one for each of 3 nodes", ids)
	}
}

// serviceID is what the nats command line shows of one instance of a service.
var serviceID = regexp.MustCompile(`\b[0-9A-Za-z]{22}\b`)

// survivesKill kills the node on which child1 is active, and starts it again.
func (s *stack) survivesKill(h *testHub, l *load) {
	s.t.Helper()
	watch := start(s.t, s.home, "watch", bin.nats, "--no-context", "--server", strings.Join(s.urls, ","), "sub", "phub.my_hub.mode.>")
	at := h.active()
	node := at["child1"]
	id := s.container(node)
	from := clock.Now()
	s.command("docker", "kill", id)
	h.moved(l, activeOn(at, node, true), node, from, killedLimit+time.Second) // docker itself takes its time
	eventually(s.t, 10*time.Second, "the mode message of child1 is seen", func() error {
		if log := tail(watch.log, 1000); !strings.Contains(log, `"child":"child1"`) || !strings.Contains(log, `"mode":"active"`) {
			return fmt.Errorf("seen: %s", log)
		}
		return nil
	})
	h.settled(2)
	s.command("docker", "start", id)
	h.settled(3)
}

// survivesPause freezes the node on which child2 is active for longer than a lease.
func (s *stack) survivesPause(h *testHub, l *load) {
	s.t.Helper()
	at := h.active()
	node := at["child2"]
	id := s.container(node)
	limit := pausedLimit
	if node == h.coordinator() {
		limit = pausedCoordLimit
	}
	from := clock.Now()
	s.command("docker", "pause", id)
	eventually(s.t, limit+5*time.Second, "child2 is active elsewhere", func() error {
		if s := h.serviceOf(l, "child2", from); s.Last == node || s.Last == "" {
			return fmt.Errorf("%v", s)
		}
		return nil
	})
	h.moved(l, activeOn(at, node, true), node, from, limit)
	s.command("docker", "unpause", id)
	h.settled(3)
}

// survivesServerKill kills one NATS server, and starts it again.
func (s *stack) survivesServerKill(h *testHub, l *load) {
	s.t.Helper()
	id := s.container("nats2")
	l.use(0)
	l.during(200 * time.Millisecond)
	from := clock.Now()
	s.command("docker", "kill", id)
	slow := measure(s.t, s.urls[0], electionWait)
	s.t.Log(slow)
	for child := range h.active() {
		h.service(l, child, from, slow.serverDeath())
	}
	s.command("docker", "start", id)
	h.settled(3)
}

// stopsInOrder stops the nodes as `docker stop` does: each leaves the hub and ends without an error.
func (s *stack) stopsInOrder() {
	s.t.Helper()
	s.run("stop", "node1", "node2", "node3")
	for _, node := range []string{"node1", "node2", "node3"} {
		if code := s.command("docker", "inspect", "--format", "{{.State.ExitCode}}", s.container(node)); code != "0" {
			s.t.Errorf("%s ended with exit code %s when it was stopped, want 0", node, code)
		}
		if rec := s.nats("kv", "get", "phub_my_hub_nodes", node, "--raw"); !strings.Contains(rec, `"status":"left"`) {
			s.t.Errorf("%s left no word that it left: %s", node, rec)
		}
	}
}

// connect opens the hub's client.
func (h *testHub) connect() {
	h.t.Helper()
	h.nc = connect(h.t, h.nats.url())
	h.t.Cleanup(h.nc.Close)
	var err error
	if h.client, err = phub.NewClient(h.nc, hubName); err != nil {
		h.t.Fatal(err)
	}
}
