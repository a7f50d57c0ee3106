//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/internal/clock"
)

func TestSameName_SecondIsRefusedFirstGoesOn(t *testing.T) {
	h, l, children := faultyHub(t)
	from := clock.Now()
	out, code := h.tryWithin(10*time.Second, "node", "run", "--name", "node1")
	if code != 1 {
		t.Errorf("the second node1 ended with exit code %d, want 1:\n%s", code, out)
	}
	for _, want := range []string{"node1", "Try:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the second node1 said nothing of %q:\n%s", want, out)
		}
	}
	h.settled(3)
	for _, child := range children {
		if s := h.service(l, child, from, killedLimit); len(s.Outcomes) != 1 || len(s.Nodes) != 1 {
			t.Errorf("the second node1 disturbed %s: %v", child, s)
		}
	}
	h.check(l)
}

func TestSameName_ServesAgainUnderItsOldName(t *testing.T) {
	h, l, children := faultyHub(t)
	h.kill("node1")
	h.start("node1") // at once: its old incarnation has not been given up yet
	h.settled(3)
	h.served(l, children)
	h.check(l)
}
