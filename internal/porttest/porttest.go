// Package porttest is the conformance suite of phub's ports: what coordinator.Session and
// worker.Transport promise, tried on whatever implements them.
package porttest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// Peer is a node's open session.
type Peer interface {
	coordinator.Session
	Transport() worker.Transport
	// Close closes the connection and waits until all that the session started has ended.
	Close()
}

// System is what sessions connect to, with access to the system account, and what a plain client can do
// there. Its methods may be called concurrently.
type System interface {
	// Open opens a session of a node, which signs with KeysOf, for the length of the test.
	Open(t testing.TB, hub, node string) Peer
	// Crash ends a peer's connection as the death of its process does.
	Crash(t testing.TB, p Peer)
	// Request sends a request as a plain client. coordinator.ErrNoResponders if nobody listens.
	Request(ctx context.Context, subject string, data []byte) (Reply, error)
	// Publish sends a message as a plain client.
	Publish(t testing.TB, subject string, data []byte)
	// PublishRequest does the same with a message that asks for an answer on a subject.
	PublishRequest(t testing.TB, subject, reply string, data []byte)
	// Subscribe calls f for each message, in order, for the length of the test.
	Subscribe(t testing.TB, filter string, f func(subject string, data []byte))
	// Put and Delete change a bucket as a foreign client does, without any condition.
	Put(t testing.TB, hub string, b protocol.Bucket, key string, value []byte)
	Delete(t testing.TB, hub string, b protocol.Bucket, key string)
}

// Reply is the answer to a plain client's request.
type Reply struct {
	Header map[string][]string
	Data   []byte
}

// Run runs the suite. All tests share one system, each with a hub of its own.
func Run(t *testing.T, sys System) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *setup)
	}{
		{"CommitStoresAndShowsInOrder", commitStoresAndShowsInOrder},
		{"CommitOfManyIsAllOrNothing", commitOfManyIsAllOrNothing},
		{"CommitRefusesWhatIsNoBatch", commitRefusesWhatIsNoBatch},
		{"ConcurrentCommitsAreLinear", concurrentCommitsAreLinear},
		{"DeleteLeavesAMarker", deleteLeavesAMarker},
		{"WriteNodeComparesAndSets", writeNodeComparesAndSets},
		{"DropNodeComparesAndSets", dropNodeComparesAndSets},
		{"SinceReadsWhatIsMissing", sinceReadsWhatIsMissing},
		{"SinceReadsMany", sinceReadsMany},
		{"ForeignWritesAreRecords", foreignWritesAreRecords},
		{"JunkIsReported", junkIsReported},
		{"BeatsReachOnlyTheCoordinator", beatsReachOnlyTheCoordinator},
		{"OnlyWhatIsSignedIsHeard", onlyWhatIsSignedIsHeard},
		{"ProbeFindsTheDead", probeFindsTheDead},
		{"WakeReachesTheNode", wakeReachesTheNode},
		{"ConnectedTellsOpenFromClosed", connectedTellsOpenFromClosed},
		{"KickClosesTheConnection", kickClosesTheConnection},
		{"ClosingsAreReported", closingsAreReported},
		{"AnnounceKeepsOrder", announceKeepsOrder},
		{"ControlIsRelayed", controlIsRelayed},
		{"ControlWaitsForACoordinator", controlWaitsForACoordinator},
		{"RequestsReachOpenChildren", requestsReachOpenChildren},
		{"RequestsStayInOrder", requestsStayInOrder},
		{"HandoverLosesAndDoublesNone", handoverLosesAndDoublesNone},
		{"ManyChildren", manyChildren},
		{"ReleaseIsAnswered", releaseIsAnswered},
		{"RepliesHaveALimit", repliesHaveALimit},
		{"AnswersGoOnlyWhereTheyBelong", answersGoOnlyWhereTheyBelong},
		{"ClosedSessionsSaySo", closedSessionsSaySo},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			t.Cleanup(cancel)
			c.test(t, &setup{T: t, sys: sys, ctx: ctx, hub: c.name, subjects: protocol.SubjectsOf(c.name)})
		})
	}
}

// setup is what each test needs.
type setup struct {
	*testing.T
	sys      System
	ctx      context.Context
	hub      string
	subjects protocol.Subjects
}

// open opens a session that records what it hears, and waits until its server knows where the streams are
// led: in a cluster it learns of a new one in its own time. What asks for it stores nothing.
func (s *setup) open(node string) (Peer, *recorder) {
	s.Helper()
	p, r := s.sys.Open(s, s.hub, node), newRecorder()
	s.must(p.Serve(s.ctx, r))
	refused := []view.Write{{Key: "refused", Value: []byte("1"), Last: 1 << 40}}
	s.eventually("the streams take writes", func() bool {
		_, placement := p.Commit(s.ctx, refused)
		_, children := p.WriteSpecs(s.ctx, refused)
		return errors.Is(placement, coordinator.ErrConflict) && errors.Is(children, coordinator.ErrConflict)
	})
	return p, r
}

// serve opens a session that answers requests with f.
func (s *setup) serve(node string, f func(*worker.Incoming)) Peer {
	s.Helper()
	p := s.sys.Open(s, s.hub, node)
	s.must(p.Transport().Serve(running{node, f}))
	return p
}

func (s *setup) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// ask sends a request as a plain client, again while its server does not know yet of who listens.
func (s *setup) ask(subject string, data []byte) (got Reply) {
	s.Helper()
	s.eventually("a request to "+subject+" is answered", func() bool {
		var err error
		got, err = s.sys.Request(s.ctx, subject, data)
		if err != nil && !errors.Is(err, coordinator.ErrNoResponders) {
			s.Errorf("request to %s: %v", subject, err)
			return true
		}
		return err == nil
	})
	return got
}

// try sends one request as a plain client. One that is on its way while the interest ends gets neither
// an answer nor word that nobody listens; so it doesn't wait for long.
func (s *setup) try(subject string, data []byte) (Reply, error) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	return s.sys.Request(ctx, subject, data)
}

// eventually waits until f returns true.
func (s *setup) eventually(what string, f func() bool) {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s: not within 20s", what)
		}
	}
}

// KeysOf returns the keys of a node's only incarnation: the same at each call.
func KeysOf(node string) *protocol.Keys {
	keys := protocol.NewKeys(strings.NewReader(strings.Repeat(node+" ", 32)))
	keys.NewID()
	return keys
}

// incarnation returns the only incarnation of a node.
func incarnation(node string) protocol.Incarnation {
	keys := protocol.NewKeys(strings.NewReader(strings.Repeat(node+" ", 32)))
	return protocol.Incarnation{Node: node, ID: keys.NewID()}
}

func key(i int) string { return fmt.Sprintf("child.%d", i) }
