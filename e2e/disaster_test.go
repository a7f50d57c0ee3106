//go:build e2e

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/clock"
)

// Somebody saved a hub. Then all of it is gone: nodes killed, buckets deleted. The nodes start again, and the file brings back what the
// hub was: each child serves, with all its replicas, and the configuration is what it was set to.
func TestDisaster_AHubComesBackFromAFile(t *testing.T) {
	h := startHub(t, startNATS(t, 3), "node1", "node2", "node3")
	children := h.children(20)
	h.phub("hub", "set", "balance=off", "factor=2", "model=active_passive")
	h.settled(3)
	file := filepath.Join(h.dir, "hub.yaml")
	saved := h.phub("hub", "export")
	if err := os.WriteFile(file, []byte(saved), 0o600); err != nil {
		t.Fatal(err)
	}

	if out, code := h.try("hub", "rm", hubName, "--yes"); code != 1 || !strings.Contains(out, "nothing was deleted") {
		t.Fatalf("a hub that lives is removed: %d, %s", code, out)
	}
	for _, node := range []string{"node1", "node2", "node3"} {
		h.kill(node)
	}
	eventually(t, 30*time.Second, "the hub is removed", func() error {
		if out, code := h.try("hub", "rm", hubName, "--yes"); code != 0 {
			return errors.New(out)
		}
		return nil
	})
	if out := h.phub("hub", "ls"); strings.Contains(out, hubName) {
		t.Fatalf("the hub is still there: %s", out)
	}

	for _, node := range []string{"node1", "node2", "node3"} {
		h.start(node)
	}
	h.settled(3)
	if s, err := h.status(); err != nil || s.Children != 0 || s.Config.Balance != phub.BalanceOn {
		t.Fatalf("a new hub has %d children and balance %s: %v", s.Children, s.Config.Balance, err)
	}
	if out, code := h.try("hub", "import", file); code != 1 || !strings.Contains(out, "balance") {
		t.Errorf("what differs is imported unasked: %d, %s", code, out)
	}
	from := clock.Now()
	h.phub("hub", "import", file, "--replace")
	h.settled(3)
	t.Logf("%d children are back %v after the import began", len(children), time.Duration(clock.Now()-from).Round(time.Millisecond))
	l := startLoad(t, h.nats, hubName, children)
	h.served(l, children)
	if again := h.phub("hub", "export"); again != saved {
		t.Errorf("the hub became\n%s\nwhat was saved is\n%s", again, saved)
	}
	h.check(l)
}
