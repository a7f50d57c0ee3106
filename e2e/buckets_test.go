//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// vandalLimit is how long a child may go unserved while somebody writes to the buckets: not at all,
// with room for a busy machine.
const vandalLimit = 200 * time.Millisecond

// badValues are what somebody may put under any key.
var badValues = []string{
	"junk \xff",
	`{"v":1,"replicas":"all of them","view":"seven","status":7,"child":[]}`,
	`{"v":1}`,
}

func TestBuckets_NothingWrongIsObeyed(t *testing.T) {
	h, l, children := faultyHub(t)
	before := h.active()
	for _, tc := range []struct {
		bucket protocol.Bucket
		keys   []string // phub's own, then one that is not
	}{
		{protocol.PlacementBucket, []string{children[0], protocol.ViewKey, protocol.ConfigKey, "stranger"}},
		{protocol.ChildrenBucket, []string{children[1], "stranger"}},
		{protocol.NodesBucket, []string{"node1", h.coordinator(), "stranger"}},
	} {
		for _, key := range tc.keys {
			for _, value := range badValues {
				h.vandalise(l, tc.bucket, key, "put", value)
			}
			h.vandalise(l, tc.bucket, key, "del")
			if h.t.Failed() {
				return
			}
		}
	}
	h.settled(3)
	if after := h.active(); !maps.Equal(before, after) {
		t.Errorf("who is active changed from %v to %v", before, after)
	}
	h.check(l)
}

// vandalise changes one key with the nats command line, and checks that every child goes on being
// served and that the bucket heals.
func (h *testHub) vandalise(l *load, b protocol.Bucket, key, how string, value ...string) {
	h.t.Helper()
	what := strings.Join(append([]string{how, b.Name(hubName), key}, value...), " ")
	from := clock.Now()
	args := append([]string{"kv", how, b.Name(hubName), key}, value...)
	if how == "del" {
		args = append(args, "--force")
	}
	h.nats.cli(args...)
	h.t.Logf("%s", what)
	healed := h.right
	if key == "stranger" {
		healed = h.reported
	}
	eventually(h.t, 30*time.Second, "after "+what, func() error {
		if how == "del" && key == "stranger" {
			return nil
		}
		return healed(b, key)
	})
	h.settled(3)
	for child := range h.active() {
		if s := h.serviceOf(l, child, from); s.Gap > vandalLimit || len(s.Outcomes) > 1 {
			h.t.Errorf("after %s: %s: %v", what, child, s)
		}
	}
}

// right returns nil if what is stored under one of phub's own keys is phub's again.
func (h *testHub) right(b protocol.Bucket, key string) error {
	value, err := h.value(b, key)
	if err != nil {
		return err
	}
	switch {
	case b == protocol.ChildrenBucket:
		_, err = protocol.DecodeSpec(value)
	case b == protocol.NodesBucket:
		_, err = protocol.DecodeNodeRecord(value)
	case key == protocol.ViewKey:
		_, err = protocol.DecodeView(value)
	case key == protocol.ConfigKey:
		_, err = protocol.DecodeConfig(value)
	default:
		_, err = protocol.DecodeEntry(value)
	}
	if err == nil && slices.Contains(badValues, string(value)) {
		err = fmt.Errorf("it still holds %q", value)
	}
	return err
}

// reported returns nil if the hub's status names an entry that is none of phub's.
func (h *testHub) reported(b protocol.Bucket, key string) error {
	s, err := h.status()
	if err != nil {
		return err
	}
	for _, e := range s.BadEntries {
		if strings.Contains(e, key) && strings.Contains(e, string(b)) {
			return nil
		}
	}
	return fmt.Errorf("bad entries: %q", s.BadEntries)
}

func (h *testHub) value(b protocol.Bucket, key string) ([]byte, error) {
	js, err := jetstream.New(h.nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	kv, err := js.KeyValue(ctx, b.Name(hubName))
	if err != nil {
		return nil, err
	}
	e, err := kv.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return e.Value(), nil
}
