package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// A newcomer has read empty buckets, and missed the first view that was stored just then. A hub of its name answers it, in its own
// domain: it reads the buckets again, at a steady pace, or it would wait for that hub's next view for ever.
func TestBesideOther_ReadsAgainWhatMayBeItsOwnHub(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		domain string
		reads  int
	}{{"", 3}, {"other", 0}} {
		m := New(Config{Hub: "h", Node: "node3", Keys: unsigned(func() string { return "id" })})
		m.neighbour = neighbour{hub: "hub", domain: c.domain, since: time.Second}
		reads := 0
		for m.now.Mono = 3 * time.Second; m.now.Mono < 3*time.Second+3*joinsSoon; m.now.Mono += joinsSoon / 10 {
			m.neighbour.answered = m.now.Mono
			if !m.besideOther() {
				t.Fatalf("domain %q: it does not wait beside the other hub", c.domain)
			}
			if l := m.loads[protocol.PlacementBucket]; l != nil && l.again {
				reads++
				l.again = false
			}
		}
		if reads != c.reads {
			t.Errorf("domain %q: the bucket is read %d times, want %d", c.domain, reads, c.reads)
		}
	}
}
