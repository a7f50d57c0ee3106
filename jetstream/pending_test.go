package jetstream_test

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/phub-io/phub/internal/natstest"
	counts "github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// stuck is a handler that takes nothing until it is let go on, and notes what was missed.
type stuck struct {
	deaf
	on     chan struct{}
	missed [3]atomic.Int64
}

func (s *stuck) Undecodable(string, error) { <-s.on }

func (s *stuck) Missed(b protocol.Bucket) {
	s.missed[map[protocol.Bucket]int{protocol.NodesBucket: 0, protocol.ChildrenBucket: 1, protocol.PlacementBucket: 2}[b]].Add(1)
}

// What comes faster than a node takes it is dropped beyond a bound, counted, and taken for a loss of records.
func TestServe_BoundsWhatWaitsInTheClient(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	var count counts.Counter
	s := open(t, jetstream.Config{
		Hub: "h", Node: "n", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler), Refused: &count,
	})
	h := &stuck{on: make(chan struct{})}
	if err := s.Serve(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	const flood, room = 100_000, 64 << 10
	nc := natstest.Connect(t, srv.URL())
	for range flood {
		if err := nc.Publish("phub.h.int.kv.children.x", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all that has no room is counted", func() bool {
		if err := s.Ping(t.Context()); err != nil { // which also tells how much was dropped since the library said so
			t.Fatal(err)
		}
		n := count.Counts()[protocol.ReasonInbox]
		return n >= flood-room-1 && n <= flood-room
	})
	close(h.on)
	if h.missed[1].Load() == 0 || h.missed[0].Load() != 0 || h.missed[2].Load() != 0 {
		t.Errorf("records were missed %d, %d and %d times, expected only of the children bucket", h.missed[0].Load(), h.missed[1].Load(), h.missed[2].Load())
	}
}
