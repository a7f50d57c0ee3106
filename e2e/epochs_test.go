//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestBuckets_EpochsSurviveThem has a store that refuses older epochs see a hub whose buckets are lost and restored: while nodes
// run and while none does, with the nats command line.
func TestBuckets_EpochsSurviveThem(t *testing.T) {
	h := startHub(t, startNATS(t, 1), "node1", "node2")
	child := h.children(1)[0]
	newest := uint64(0)
	serves := func(what string) {
		t.Helper()
		h.settled(2)
		epoch := newest
		eventually(t, 60*time.Second, what+": a new epoch", func() error {
			if epoch = h.epoch(child); epoch == newest {
				return fmt.Errorf("still epoch %d", epoch)
			}
			return nil
		})
		h.settled(2)
		t.Logf("%s: epoch %d", what, epoch)
		if epoch < newest {
			t.Errorf("%s: served in epoch %d, after epoch %d", what, epoch, newest)
		}
		newest = epoch
	}
	serves("first")
	copied := t.TempDir()
	for _, b := range protocol.Buckets {
		h.nats.cli("stream", "backup", "--no-progress", stream(b), filepath.Join(copied, string(b)))
	}
	for _, node := range []string{"node1", "node2"} {
		if h.active()[child] == node {
			continue
		}
		h.phub("child", "move", child, node)
		break
	}
	serves("after a move")
	h.kill("node1")
	h.kill("node2")
	h.lose()
	for _, b := range protocol.Buckets {
		h.nats.cli("stream", "restore", "--no-progress", filepath.Join(copied, string(b)))
	}
	h.start("node1")
	h.start("node2")
	serves("restored while no node ran")
	h.lose()
	for _, b := range protocol.Buckets {
		h.nats.cli("stream", "restore", "--no-progress", filepath.Join(copied, string(b)))
	}
	serves("restored while the nodes ran")
	h.kill("node1")
	h.kill("node2")
	h.lose()
	h.start("node1")
	h.start("node2")
	h.settled(2)
	if _, err := h.value(protocol.ChildrenBucket, child); err == nil {
		t.Error("a hub that was made anew has the child of the deleted one")
	}
	h.children(1)
	serves("deleted, and made anew")
}

func stream(b protocol.Bucket) string { return "KV_" + b.Name(hubName) }

// lose deletes all buckets.
func (h *testHub) lose() {
	h.t.Helper()
	for _, b := range protocol.Buckets {
		h.nats.cli("stream", "rm", "--force", stream(b))
	}
}

// epoch returns the epoch by which a child answers.
func (h *testHub) epoch(child string) (epoch uint64) {
	h.t.Helper()
	eventually(h.t, 30*time.Second, child+" answers", func() error {
		m, err := h.nc.Request(protocol.SubjectsOf(hubName).Request(child), []byte("{}"), time.Second)
		if err != nil {
			return err
		}
		if epoch, err = strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64); err != nil {
			return fmt.Errorf("an answer without an epoch: %v", m.Header)
		}
		return nil
	})
	return epoch
}
