//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// The same with containers: all of the stack's nodes are replaced by containers with nodes of new names.
func TestCompose_AllNodesAreReplaced(t *testing.T) {
	requireDocker(t)
	var compose []string
	for _, c := range composeCommands(t) {
		compose = c
	}
	s := startStack(t, compose)
	h := &testHub{t: t, dir: s.home, nats: &natsCluster{t: t, dir: s.home}}
	for _, url := range s.urls {
		h.nats.servers = append(h.nats.servers, &natsServer{url: url})
	}
	h.connect()
	h.settled(3)
	children := h.plainChildren()
	var old []replaceable
	for _, name := range []string{"node1", "node2", "node3"} {
		old = append(old, replaceable{name, func() { s.stopContainer(s.container(name)) }})
	}
	l := startLoad(t, h.nats, hubName, children)
	names := []string{"new1", "new2", "new3"}
	h.replace(old, s.runNode, names)
	h.rolled(names)
	l.stop()
	l.flawless(0, 1000)
}

// stopContainer has a container end as Kubernetes does: SIGTERM, and a minute.
func (s *stack) stopContainer(id string) {
	s.t.Helper()
	s.command("docker", "stop", "--time", "60", id)
}

// runNode starts a node of a new name in a container of its own, beside those of the stack.
func (s *stack) runNode(name string) (node replaceable, ready string) {
	s.t.Helper()
	_, image := s.images()
	id := s.command("docker", "run", "--detach", "--network", composeProject+"_phub", "--publish", "127.0.0.1::8080",
		"--env", "PHUB_HUB="+hubName, "--env", "NATS_URL=nats://nats1:4222,nats://nats2:4222,nats://nats3:4222",
		image, "node", "run", "--name", name, "--grace", "50s", "--http", ":8080")
	s.t.Cleanup(func() {
		if out, err := exec.Command("docker", "rm", "--force", id).CombinedOutput(); err != nil {
			s.t.Errorf("remove the container of %s: %v: %s", name, err, out)
		}
	})
	addr, _, _ := strings.Cut(s.command("docker", "port", id, "8080/tcp"), "\n")
	return replaceable{name, func() { s.stopContainer(id) }}, "http://" + addr + "/readyz"
}
