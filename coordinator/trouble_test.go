package coordinator_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/protocol"
)

const full = "insufficient storage resources available (10047)"

// logBuffer keeps what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the lines that have a text.
func (l *logBuffer) lines(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

func logging(l *logBuffer) option {
	return func(_ *node, cfg *coordinator.Config) { cfg.Logger = slog.New(slog.NewTextHandler(l, nil)) }
}

// writes counts what a session writes.
type writes struct {
	*inmem.Session
	n *atomic.Int64
}

func (w writes) Commit(ctx context.Context, all []view.Write) (uint64, error) {
	w.n.Add(1)
	return w.Session.Commit(ctx, all)
}

func (w writes) WriteSpecs(ctx context.Context, all []view.Write) (uint64, error) {
	w.n.Add(1)
	return w.Session.WriteSpecs(ctx, all)
}

func (w writes) WriteNode(ctx context.Context, rec protocol.NodeRecord, last uint64) (uint64, error) {
	w.n.Add(1)
	return w.Session.WriteNode(ctx, rec, last)
}

// troubled starts two nodes that log, and whose writes are counted.
func troubled(t *testing.T, nats *inmem.NATS) (*logBuffer, *atomic.Int64) {
	t.Helper()
	log, tries := &logBuffer{}, &atomic.Int64{}
	for _, name := range []string{"node1", "node2"} {
		n := start(t, nats, name, logging(log), wrapped(func(s *inmem.Session) coordinator.Session { return writes{s, tries} }))
		<-n.Admitted()
	}
	wait(time.Second)
	return log, tries
}

func startNamed(t *testing.T, nats *inmem.NATS, child string) (inmem.Msg, protocol.StartResponse, time.Duration) {
	t.Helper()
	var r protocol.StartResponse
	began := time.Now()
	m, err := control(t, nats, protocol.VerbStart, protocol.StartRequest{Children: []protocol.Spec{{Child: child, Kind: "echo"}}}, &r)
	if err != nil {
		t.Fatal(err)
	}
	return m, r, time.Since(began)
}

func hubStatus(t *testing.T, nats *inmem.NATS) (s protocol.StatusResponse) {
	t.Helper()
	if _, err := control(t, nats, protocol.VerbStatus, nil, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTrouble_OfSpecsIsToldToWhoStarts has NATS refuse specs only: the hub serves, and can't be changed.
func TestTrouble_OfSpecsIsToldToWhoStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		log, tries := troubled(t, nats)
		nats.Reject(full, protocol.ChildrenBucket)
		before := tries.Load()
		_, r, took := startNamed(t, nats, "c1")
		if e := r.Results[0].Error; e == nil || e.Code != protocol.CodeNotStored || !strings.Contains(e.Message, full) || !strings.Contains(e.Message, "unknown") || took > 2*time.Second {
			t.Errorf("found %+v after %v; expected 508 with the reason, and that the outcome is unknown, within 2 s", e, took)
		}
		m, _, took := startNamed(t, nats, "c2")
		if data := string(m.Data); !strings.Contains(data, "nothing was done") || !strings.Contains(data, full) || took > 2*time.Second {
			t.Errorf("found %s after %v; expected that nothing was done, and why, within 2 s", data, took)
		}
		if s := hubStatus(t, nats); len(s.Trouble) != 1 || !strings.HasPrefix(s.Trouble[0], "node1: ") || !strings.Contains(s.Trouble[0], full) {
			t.Errorf("found trouble %q, expected node1's, with the reason", s.Trouble)
		}
		wait(time.Minute)
		if n := tries.Load() - before; n > 120 {
			t.Errorf("found %d writes in a minute while they are refused, expected at most one a second, and the renewals", n)
		}
		if told := log.lines(full); len(told) != 1 {
			t.Errorf("found %d lines about it in the log, expected 1: %q", len(told), told)
		}
		nats.Reject("", protocol.ChildrenBucket)
		wait(2 * time.Second)
		_, r, _ = startNamed(t, nats, "c1") // it was to be started all the while
		if res := r.Results[0]; res.Error != nil || !res.Existed {
			t.Errorf("found %+v, expected that c1 exists since it can be stored", res)
		}
		wait(12 * time.Second)
		if s := hubStatus(t, nats); len(s.Trouble) > 0 || s.Children != 1 {
			t.Errorf("found trouble %q and %d children, expected none and 1", s.Trouble, s.Children)
		}
	})
}

// TestTrouble_OfAllBucketsIsTold has NATS refuse everything, as while an account's storage is full: the coordinator can't renew
// its own record, and loses its authority.
func TestTrouble_OfAllBucketsIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		log, tries := troubled(t, nats)
		nats.Reject(full, protocol.Buckets[:]...)
		wait(30 * time.Second)
		before := tries.Load()
		m, _, took := startNamed(t, nats, "c1")
		if data := string(m.Data); !strings.Contains(data, "508") || !strings.Contains(data, full) || took > 2*time.Second {
			t.Errorf("found %s after %v; expected 508 and the reason within 2 s", data, took)
		}
		if s := hubStatus(t, nats); len(s.Trouble) == 0 || !strings.Contains(s.Trouble[0], full) {
			t.Errorf("found %+v, expected the reason", s)
		}
		wait(time.Minute)
		if n := tries.Load() - before; n > 2*2*61 {
			t.Errorf("found %d writes in a minute by two nodes, expected at most one a second to each of two buckets", n)
		}
		if all := log.lines(""); len(all) > 40 {
			t.Errorf("found %d lines in the log after a minute and a half, expected at most 40: %q", len(all), all)
		}
		if told := log.lines(full); len(told) == 0 || len(told) > 2*3 {
			t.Errorf("found %d lines, expected at most one for each node and bucket: %q", len(told), told)
		}
		nats.Reject("", protocol.Buckets[:]...)
		wait(10 * time.Second)
		if res := startChild(t, nats, "c2"); res.Error != nil {
			t.Errorf("found %+v, expected that the hub is whole again", res.Error)
		}
	})
}

// TestTrouble_AnElectionIsNone has a bucket without an answer for as long as an election takes.
func TestTrouble_AnElectionIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		troubled(t, nats)
		nats.Stall("", true)
		go func() {
			time.Sleep(5 * time.Second)
			nats.Stall("", false)
		}()
		if _, r, _ := startNamed(t, nats, "c1"); len(r.Results) != 1 || r.Results[0].Error != nil {
			t.Errorf("found %+v, expected that the start waits for the election's end", r.Results)
		}
	})
}

// denied is a session that may not write its node's record any more once on is set.
type denied struct {
	*inmem.Session
	on *atomic.Bool
}

func (d denied) WriteNode(ctx context.Context, rec protocol.NodeRecord, last uint64) (uint64, error) {
	if d.on.Load() {
		return 0, fmt.Errorf("%w: Permissions Violation for Publish to %q", coordinator.ErrRejected, "$KV.phub_h_nodes.node2")
	}
	return d.Session.WriteNode(ctx, rec, last)
}

// TestTrouble_OfAMemberIsInTheStatus takes a permission from a node that does not coordinate: it stays, as the coordinator keeps
// its lease, and says what is missing.
func TestTrouble_OfAMemberIsInTheStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats, on, log := inmem.New(), &atomic.Bool{}, &logBuffer{}
		<-start(t, nats, "node1").Admitted()
		n2 := start(t, nats, "node2", logging(log), wrapped(func(s *inmem.Session) coordinator.Session { return denied{s, on} }))
		<-n2.Admitted()
		on.Store(true)
		wait(30 * time.Second)
		if s := hubStatus(t, nats); len(s.Trouble) != 1 || !strings.HasPrefix(s.Trouble[0], "node2: ") || !strings.Contains(s.Trouble[0], "$KV.phub_h_nodes.node2") {
			t.Errorf("found trouble %q, expected node2's, with the subject", s.Trouble)
		}
		if told := log.lines("Permissions Violation"); len(told) != 1 {
			t.Errorf("the log says it %d times, expected once: %q", len(told), told)
		}
		if s := n2.Status(); !s.Member || !n2.local.trusted() {
			t.Errorf("found %+v, trusted %t; expected that it stays a member", s, n2.local.trusted())
		}
	})
}
