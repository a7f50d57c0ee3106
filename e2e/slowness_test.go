//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// slowness is the longest that the machine took, for a while, for the parts of which docs/failover.md makes its formulas: for others who
// did the same at the same time, nothing of it phub's.
type slowness struct {
	dial  time.Duration // of a connection to a NATS server
	round time.Duration // of a message to a NATS server and back
	late  time.Duration // of a timer, after its time
}

// tick is how often a node's loop looks at its clock when nothing else happens.
const tick = 25 * time.Millisecond

// serverDeath is how long a child may go unserved because its node's NATS server died: what docs/failover.md says for the
// coordinator's own children, or serverLimit where the machine is faster.
func (s slowness) serverDeath() time.Duration {
	return max(serverLimit, s.dial+4*s.round+tick+s.late+every)
}

// String returns what was measured.
func (s slowness) String() string {
	return fmt.Sprintf("meanwhile a connection took up to %v, a round trip %v, a timer was up to %v late", s.dial.Round(time.Millisecond), s.round.Round(time.Millisecond), s.late.Round(time.Millisecond))
}

// measure takes the machine's pace for some time, at a NATS server that lives all the while.
func measure(t *testing.T, url string, d time.Duration) slowness {
	t.Helper()
	var s slowness
	for end := time.Now().Add(d); time.Now().Before(end); {
		began := time.Now()
		nc, err := nats.Connect(url, nats.NoReconnect())
		if err != nil {
			t.Fatalf("connect to %s: %v", url, err)
		}
		s.dial = max(s.dial, time.Since(began))
		round, err := nc.RTT()
		nc.Close()
		if err != nil {
			t.Fatalf("a round trip to %s: %v", url, err)
		}
		s.round = max(s.round, round)
		const pause = 10 * time.Millisecond
		began = time.Now()
		time.Sleep(pause)
		s.late = max(s.late, time.Since(began)-pause)
	}
	return s
}
