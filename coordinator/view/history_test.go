package view_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func viewRecord(rev, number uint64, batch int) view.Record {
	v := protocol.View{
		V: 1, Number: number, Coordinator: protocol.Incarnation{Node: "node1", ID: "i1"}, Batch: batch,
		Members: []protocol.Member{{Incarnation: protocol.Incarnation{Node: "node1", ID: "i1"}, Since: 1}},
	}
	return view.Record{Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Value: encode(v), Revision: rev}
}

func entryRecord(rev uint64, child string, number uint64) view.Record {
	e := protocol.Entry{V: 1, View: number, Epoch: number, Spec: 1, Exclusive: true, Replicas: []protocol.Replica{{Node: "node1", Mode: protocol.Active}}}
	return view.Record{Bucket: protocol.PlacementBucket, Key: child, Value: encode(e), Revision: rev}
}

func deletion(rev uint64, key string) view.Record {
	return view.Record{Bucket: protocol.PlacementBucket, Key: key, Revision: rev, Deleted: true}
}

func junk(rev uint64, key string) view.Record {
	return view.Record{Bucket: protocol.PlacementBucket, Key: key, Revision: rev, Value: []byte("junk")}
}

// shown is what a history holds, and what of it it doesn't obey.
func shown(h *view.History) string {
	n := uint64(0)
	if v := h.View(); v != nil {
		n = v.Number
	}
	s := fmt.Sprintf("view %d", n)
	for _, c := range []string{"a", "b", "c"} {
		if e := h.Entry(c); e != nil {
			s += fmt.Sprintf(" %s:%d", c, e.View)
		}
	}
	for _, b := range h.Bad() {
		s += " bad:" + b.Key
	}
	if !h.Synced() {
		s += " not synced"
	}
	return s
}

func TestHistory_FollowsLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		records []view.Record
		want    string
	}{
		{"entries wait for their view", []view.Record{entryRecord(2, "a", 2), entryRecord(3, "b", 2)}, "view 1 bad:a bad:b"},
		{"a batch counts as a whole", []view.Record{entryRecord(2, "a", 2), entryRecord(3, "b", 2), viewRecord(4, 2, 3)}, "view 2 a:2 b:2"},
		{"a record before the batch is foreign", []view.Record{entryRecord(2, "c", 2), entryRecord(3, "a", 2), viewRecord(4, 2, 2)}, "view 2 a:2 bad:c"},
		{"junk in a batch's place", []view.Record{junk(2, "a"), viewRecord(3, 2, 2)}, "view 2 bad:a"},
		{"an entry of another view", []view.Record{entryRecord(2, "a", 7), viewRecord(3, 2, 2)}, "view 2 bad:a"},
		{"a view that is not newer", []view.Record{viewRecord(2, 1, 1)}, "view 1 bad:_view"},
		{"a deleted view", []view.Record{deletion(2, protocol.ViewKey)}, "view 1 bad:_view"},
		{"a view heals a deleted one", []view.Record{deletion(2, protocol.ViewKey), viewRecord(3, 2, 1)}, "view 2"},
		{"deleting what was never there means nothing", []view.Record{deletion(2, "a")}, "view 1"},
		{"deleting a stray key ends it", []view.Record{junk(2, "c"), viewRecord(3, 2, 1), deletion(4, "c"), viewRecord(5, 3, 1)}, "view 3"},
		{"deleting a stray key ends it at once", []view.Record{junk(2, "c"), viewRecord(3, 2, 1), junk(4, "b"), deletion(5, "c"), deletion(6, "b")}, "view 2"},
		{"a foreign deletion is not obeyed", []view.Record{entryRecord(2, "a", 2), viewRecord(3, 2, 2), deletion(4, "a"), viewRecord(5, 3, 1)}, "view 3 a:2 bad:a"},
		{"a deletion in a batch is", []view.Record{entryRecord(2, "a", 2), viewRecord(3, 2, 2), deletion(4, "a"), viewRecord(5, 3, 2)}, "view 3"},
		{"the same record twice", []view.Record{entryRecord(2, "a", 2), entryRecord(2, "a", 2), viewRecord(3, 2, 2), viewRecord(3, 2, 2)}, "view 2 a:2"},
		{"the same key twice before a view", []view.Record{junk(2, "a"), junk(3, "a")}, "view 1 bad:a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := view.NewHistory()
			h.Loaded([]view.Record{viewRecord(1, 1, 1)}, 1)
			for _, r := range c.records {
				next(h, r)
			}
			if got := shown(h); got != c.want {
				t.Errorf("found %q, expected %q", got, c.want)
			}
		})
	}
}

func TestHistory_CatchesUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		live, read []view.Record
		last       uint64
		want       string
	}{
		{"in the middle of a batch", []view.Record{entryRecord(2, "a", 2)}, []view.Record{entryRecord(3, "b", 2), viewRecord(4, 2, 3)}, 4, "view 2 a:2 b:2"},
		{"with nothing left out, a record before the batch is foreign", nil, []view.Record{entryRecord(2, "c", 2), entryRecord(3, "a", 2), viewRecord(4, 2, 2)}, 4, "view 2 a:2 bad:c"},
		{"nor is what was read before others were left out", []view.Record{entryRecord(2, "c", 2)}, []view.Record{entryRecord(4, "a", 3), viewRecord(5, 3, 2)}, 5, "view 3 a:3 c:2"},
		{"views between are gone", nil, []view.Record{entryRecord(3, "a", 2), entryRecord(5, "b", 3), viewRecord(9, 6, 1)}, 9, "view 6 a:2 b:3"},
		{"what was read back may be an entry, and be deleted by the view that follows", nil, []view.Record{entryRecord(3, "a", 2), viewRecord(9, 6, 1), entryRecord(11, "b", 7), deletion(12, "b"), viewRecord(13, 8, 2)}, 13, "view 8 a:2"},
		{"junk is not obeyed", nil, []view.Record{junk(3, "a"), viewRecord(9, 6, 1)}, 9, "view 6 bad:a"},
		{"an entry of the future is not", nil, []view.Record{entryRecord(3, "a", 9), viewRecord(9, 6, 1)}, 9, "view 6 bad:a"},
		{"an entry that is known, written again by somebody, is not", []view.Record{entryRecord(2, "a", 2), viewRecord(3, 2, 2)}, []view.Record{entryRecord(4, "a", 2), viewRecord(9, 6, 1)}, 9, "view 6 a:2 bad:a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := view.NewHistory()
			h.Loaded([]view.Record{viewRecord(1, 1, 1)}, 1)
			for _, r := range c.live {
				next(h, r)
			}
			h.Loaded(c.read, c.last)
			if got := shown(h); got != c.want {
				t.Errorf("found %q, expected %q", got, c.want)
			}
		})
	}
}

// Whoever may write to the bucket may write as much as they like before a view follows. The test runs alone, because it
// measures the heap.
func TestHistory_WhatWaitsForAViewIsBounded(t *testing.T) {
	h := view.NewHistory()
	h.Loaded([]view.Record{viewRecord(1, 1, 1)}, 1)
	const foreign, value = 20_000, 10_000
	for i := range uint64(foreign) {
		r := junk(2+i, fmt.Sprintf("c%d", i%5000))
		r.Value = make([]byte, value)
		next(h, r)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if most := uint64(5 * view.MaxCommit * value); m.HeapAlloc > most {
		t.Errorf("%d MB of heap after %d MB of foreign values, want at most %d MB", m.HeapAlloc>>20, foreign*value>>20, most>>20)
	}
	rev := uint64(foreign + 2)
	next(h, entryRecord(rev, "a", 2))
	next(h, viewRecord(rev+1, 2, 2))
	if h.Entry("a") == nil || len(h.Bad()) != 5000 {
		t.Errorf("entry %v, %d bad keys; want one, and 5000", h.Entry("a"), len(h.Bad()))
	}
	for i := range uint64(5000) {
		next(h, deletion(rev+2+i, fmt.Sprintf("c%d", i)))
	}
	if bad := h.Bad(); len(bad) > 0 {
		t.Errorf("%d bad keys after all were deleted, %v among them", len(bad), bad[0])
	}
}

// TestHistory_SameForEveryFollower lets followers of one random stream miss, read and repeat records as
// they like: those who know the same revision know the same.
func TestHistory_SameForEveryFollower(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		stream := randomStream(rng)
		followers := make([]*view.History, 3)
		for i := range followers {
			followers[i] = view.NewHistory()
			followers[i].Loaded(nil, 0)
			follow(rng, followers[i], stream)
		}
		for i, h := range followers {
			if got, want := shown(h), shown(followers[0]); got != want {
				t.Fatalf("seed %d: follower %d has %q, follower 0 has %q", seed, i, got, want)
			}
		}
	}
}

// randomStream makes commits of one to three entries.
func randomStream(rng *rand.Rand) []view.Record {
	var stream []view.Record
	next := func() uint64 { return uint64(len(stream)) + 1 }
	for number := uint64(1); number <= 8; number++ {
		children := []string{"a", "b", "c"}[:rng.IntN(4)]
		for _, c := range children {
			if rng.IntN(4) == 0 {
				stream = append(stream, deletion(next(), c))
			} else {
				stream = append(stream, entryRecord(next(), c, number))
			}
		}
		stream = append(stream, viewRecord(next(), number, len(children)+1))
	}
	return stream
}

func follow(rng *rand.Rand, h *view.History, stream []view.Record) {
	for i, r := range stream {
		switch rng.IntN(10) {
		case 0: // missed
			continue
		case 1:
			h.Loaded(stream[:rng.IntN(i+1)], h.Last()) // again
		}
		if h.Last()+1 == r.Revision {
			next(h, r)
		} else if rng.IntN(3) == 0 {
			read(h, stream[:i+1])
		}
	}
	read(h, stream)
}

// next takes the record that was stored next.
func next(h *view.History, r view.Record) { h.Loaded([]view.Record{r}, r.Revision) }

// read reads what a bucket that keeps the last record of each key still holds.
func read(h *view.History, stream []view.Record) {
	last := map[string]view.Record{}
	for _, r := range stream {
		last[r.Key] = r
	}
	var records []view.Record
	for _, r := range last {
		if r.Revision > h.Last() {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(x, y view.Record) int { return int(x.Revision) - int(y.Revision) })
	h.Loaded(records, uint64(len(stream)))
}

func TestMatchFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, name string
		want         bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a.b", false},
		{"a.b", "a", false},
		{"*", "a", true},
		{"*", "a.b", false},
		{"a.*", "a.b", true},
		{"a.*", "a", false},
		{"*.b", "a.b", true},
		{">", "a", true},
		{">", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "a.b.c", true},
		{">.a", "a.a", false},
		{"a*", "ab", false},
	} {
		if got := view.MatchFilter(c.filter, c.name); got != c.want {
			t.Errorf("MatchFilter(%q, %q) = %t, expected %t", c.filter, c.name, got, c.want)
		}
	}
}

func TestEvents_AndActionsHaveTexts(t *testing.T) {
	t.Parallel()
	for _, x := range []fmt.Stringer{
		view.Tick{},
		view.Connected{},
		view.Disconnected{},
		view.Leave{},
		view.LocalReport{},
		view.RecordStored{Record: deletion(1, "a")},
		view.RecordsMissed{},
		view.RecordsLoaded{},
		view.KeyRead{},
		view.NodeWritten{},
		view.NodeDropped{},
		view.Committed{},
		view.SpecsWritten{},
		view.BeatAnswered{},
		view.BeatAnswered{Outcome: view.NobodyListens},
		view.BeatReceived{},
		view.ControlReceived{},
		view.LeadFailed{},
		view.NobodyThere{},
		view.ConnAnswered{},
		view.Load{},
		view.ReadKey{},
		view.WriteNode{},
		view.DropNode{},
		view.CommitWrites{Writes: []view.Write{{Key: "a"}}},
		view.WriteSpecs{},
		view.SendBeat{},
		view.AnswerBeat{},
		view.AnswerControl{Problem: &protocol.Problem{Message: "no"}},
		view.AnswerControl{Value: 1},
		view.Probe{},
		view.AskConn{},
		view.StandIn{},
		view.Lead{},
		view.SetTrust{},
		view.SetTrust{Until: 1},
		view.Assign{},
		view.AnnounceMode{},
		view.AnnounceEvent{},
		view.Admitted{},
		view.Refused{},
		view.HasLeft{},
		view.Note{},
	} {
		if s := x.String(); s == "" || strings.Contains(s, "%!") {
			t.Errorf("%T is told as %q", x, s)
		}
	}
}
