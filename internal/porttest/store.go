package porttest

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

const placement = protocol.PlacementBucket

func commitStoresAndShowsInOrder(t *testing.T, s *setup) {
	a, _ := s.open("a")
	_, heard := s.open("b")
	first := s.untilHeard(a, heard)
	before := len(heard.of(placement))
	last, err := a.Commit(s.ctx, []view.Write{
		{Key: "x.y", Value: []byte("x")}, {Key: "z", Value: []byte("z")}, {Key: "_view", Value: []byte("2"), Last: first},
	})
	s.must(err)
	want := []view.Record{
		{Bucket: placement, Key: "x.y", Value: []byte("x"), Revision: first + 1},
		{Bucket: placement, Key: "z", Value: []byte("z"), Revision: first + 2},
		{Bucket: placement, Key: "_view", Value: []byte("2"), Revision: first + 3},
	}
	if last != first+3 {
		t.Errorf("the batch's last revision is %d, want %d", last, first+3)
	}
	s.eventually("three more records are heard", func() bool { return len(heard.of(placement)) == before+3 })
	if got := heard.of(placement)[before:]; !reflect.DeepEqual(got, want) {
		t.Errorf("heard\n%v, want\n%v", got, want)
	}
	got, end, err := a.Since(s.ctx, placement, 0)
	s.must(err)
	if !reflect.DeepEqual(got, want) || end != last {
		t.Errorf("since 0: %v, %d; want %v, %d", got, end, want, last)
	}
}

// untilHeard commits a view again and again until it is heard: a server of a cluster learns a moment
// later than the session's own who listens. It returns the last revision.
func (s *setup) untilHeard(p Peer, heard *recorder) (rev uint64) {
	s.Helper()
	s.eventually("a commit is heard", func() bool {
		var err error
		rev, err = p.Commit(s.ctx, []view.Write{{Key: "_view", Value: []byte("1"), Last: rev}})
		s.must(err)
		records := heard.of(placement)
		return len(records) > 0 && records[len(records)-1].Revision == rev
	})
	return rev
}

func commitOfManyIsAllOrNothing(t *testing.T, s *setup) {
	a, heard := s.open("a")
	rev, err := a.Commit(s.ctx, []view.Write{{Key: "k", Value: []byte("1")}})
	s.must(err)
	for _, writes := range [][]view.Write{
		{{Key: "new", Value: []byte("n")}, {Key: "k", Value: []byte("2"), Last: rev + 1}},
		{{Key: "k", Value: []byte("2"), Last: 0}, {Key: "new", Value: []byte("n")}},
		{{Key: "k", Value: []byte("2"), Last: rev}, {Key: "absent", Value: []byte("n"), Last: rev}, {Key: "new"}},
		{{Key: "k", Value: []byte("2")}},
		{{Key: "absent", Value: []byte("2"), Last: rev}},
	} {
		if _, err := a.Commit(s.ctx, writes); !errors.Is(err, coordinator.ErrConflict) {
			t.Errorf("commit of %v: %v, want ErrConflict", writes, err)
		}
	}
	next, err := a.Commit(s.ctx, []view.Write{{Key: "k", Value: []byte("2"), Last: rev}})
	s.must(err)
	if next != rev+1 {
		t.Errorf("after refused commits the next revision is %d, want %d", next, rev+1)
	}
	s.eventually("two records are heard", func() bool { return len(heard.of(placement)) == 2 })
	recs, _, err := a.Since(s.ctx, placement, 0)
	s.must(err)
	if len(recs) != 1 {
		t.Errorf("refused commits left something: %v", recs)
	}
}

func commitRefusesWhatIsNoBatch(t *testing.T, s *setup) {
	a, _ := s.open("a")
	many := make([]view.Write, view.MaxCommit+1)
	for i := range many {
		many[i] = view.Write{Key: key(i)}
	}
	for name, writes := range map[string][]view.Write{
		"nothing": nil, "too many": many, "twice": {{Key: "k"}, {Key: "k"}},
	} {
		if _, err := a.Commit(s.ctx, writes); err == nil || errors.Is(err, coordinator.ErrConflict) {
			t.Errorf("commit of %s: %v, want an error that is no conflict", name, err)
		}
	}
	rev, err := a.Commit(s.ctx, many[:view.MaxCommit])
	s.must(err)
	if rev != view.MaxCommit {
		t.Errorf("revision %d after the largest commit, want %d", rev, view.MaxCommit)
	}
}

func concurrentCommitsAreLinear(t *testing.T, s *setup) {
	const writers, rounds = 4, 15
	_, heard := s.open("reader")
	var wg sync.WaitGroup
	for w := range writers {
		p, _ := s.open(fmt.Sprintf("w%d", w))
		wg.Go(func() { increment(s, p, rounds) })
	}
	wg.Wait()
	if s.Failed() {
		return
	}
	s.eventually("all commits are heard", func() bool { return len(heard.of(placement)) == 2*writers*rounds })
	for i, r := range heard.of(placement) {
		if r.Revision != uint64(i+1) {
			t.Fatalf("record %d has revision %d", i, r.Revision)
		}
		if want := strconv.Itoa(i/2 + 1); string(r.Value) != want {
			t.Fatalf("record %d (%s) is %s, want %s", i, r.Key, r.Value, want)
		}
	}
}

// increment adds one to both of two keys, again and again, each time by a commit that found its
// predecessor.
func increment(s *setup, p Peer, rounds int) {
	for done := 0; done < rounds; {
		x, err := p.ReadKey(s.ctx, placement, "x")
		if err != nil {
			s.Error(err)
			return
		}
		y, err := p.ReadKey(s.ctx, placement, "y")
		if err != nil {
			s.Error(err)
			return
		}
		n, _ := strconv.Atoi(string(y.Value))
		v := []byte(strconv.Itoa(n + 1))
		_, err = p.Commit(s.ctx, []view.Write{{Key: "x", Value: v, Last: x.Revision}, {Key: "y", Value: v, Last: y.Revision}})
		switch {
		case err == nil:
			done++
		case !errors.Is(err, coordinator.ErrConflict):
			s.Error(err)
			return
		}
	}
}

func deleteLeavesAMarker(t *testing.T, s *setup) {
	a, heard := s.open("a")
	rev, err := a.WriteSpecs(s.ctx, []view.Write{{Key: "k", Value: []byte("1")}, {Key: "l", Value: []byte("1")}})
	s.must(err)
	gone, err := a.WriteSpecs(s.ctx, []view.Write{{Key: "k", Delete: true, Last: rev - 1}, {Key: "l", Delete: true, Last: rev}})
	s.must(err)
	got, err := a.ReadKey(s.ctx, protocol.ChildrenBucket, "k")
	s.must(err)
	want := view.Record{Bucket: protocol.ChildrenBucket, Key: "k", Revision: gone - 1, Deleted: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
	s.eventually("markers are heard", func() bool { return len(heard.of(protocol.ChildrenBucket)) == 4 })
	if got := heard.of(protocol.ChildrenBucket)[2]; !reflect.DeepEqual(got, want) {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	if _, err := a.WriteSpecs(s.ctx, []view.Write{{Key: "k", Value: []byte("2"), Last: rev - 1}}); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("write over a marker by the old revision: %v, want ErrConflict", err)
	}
	_, err = a.WriteSpecs(s.ctx, []view.Write{{Key: "k", Value: []byte("2"), Last: gone - 1}})
	s.must(err)
	_, err = a.WriteSpecs(s.ctx, []view.Write{{Key: "l", Delete: true, Last: gone}})
	s.must(err)
}

func dropNodeComparesAndSets(t *testing.T, s *setup) {
	a, heard := s.open("a")
	rec := protocol.NodeRecord{V: 1, Incarnation: protocol.Incarnation{Node: "b", ID: "1"}, Status: protocol.Lost, Conn: a.Conn()}
	rev, err := a.WriteNode(s.ctx, rec, 0)
	s.must(err)
	if _, err := a.DropNode(s.ctx, "b", rev+1); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("drop by a wrong revision: %v, want ErrConflict", err)
	}
	marker, err := a.DropNode(s.ctx, "b", rev)
	s.must(err)
	s.eventually("both records are heard", func() bool { return len(heard.of(protocol.NodesBucket)) == 2 })
	if got := heard.of(protocol.NodesBucket)[1]; !got.Deleted || got.Key != "b" || got.Revision != marker {
		t.Errorf("heard %+v, want a deletion of b at %d", got, marker)
	}
	if _, err := a.WriteNode(s.ctx, rec, rev); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("whose record was dropped writes it again: %v, want ErrConflict", err)
	}
	next, err := a.WriteNode(s.ctx, rec, marker)
	s.must(err)
	if next != marker+1 {
		t.Errorf("written again at %d, want %d", next, marker+1)
	}
}

func writeNodeComparesAndSets(t *testing.T, s *setup) {
	a, heard := s.open("a")
	rec := protocol.NodeRecord{V: 1, Incarnation: protocol.Incarnation{Node: "a", ID: "1"}, Status: protocol.Up, Conn: a.Conn()}
	rev, err := a.WriteNode(s.ctx, rec, 0)
	s.must(err)
	rec.Beat = 2
	if _, err := a.WriteNode(s.ctx, rec, rev+1); !errors.Is(err, coordinator.ErrConflict) {
		t.Errorf("write by a wrong revision: %v, want ErrConflict", err)
	}
	next, err := a.WriteNode(s.ctx, rec, rev)
	s.must(err)
	got, err := a.ReadKey(s.ctx, protocol.NodesBucket, "a")
	s.must(err)
	if got.Revision != next || len(got.Value) == 0 {
		t.Errorf("read revision %d, want %d", got.Revision, next)
	}
	s.eventually("records are heard", func() bool { return len(heard.of(protocol.NodesBucket)) == 2 })
	none, err := a.ReadKey(s.ctx, protocol.NodesBucket, "nobody")
	s.must(err)
	if !reflect.DeepEqual(none, view.Record{}) {
		t.Errorf("a key that was never written gives %+v", none)
	}
}

func sinceReadsWhatIsMissing(t *testing.T, s *setup) {
	a, _ := s.open("a")
	recs, last, err := a.Since(s.ctx, placement, 0)
	s.must(err)
	if len(recs) != 0 || last != 0 {
		t.Errorf("an empty bucket gives %v, %d", recs, last)
	}
	for i := range 5 {
		_, err = a.Commit(s.ctx, []view.Write{{Key: key(i), Value: []byte("v")}})
		s.must(err)
	}
	_, err = a.Commit(s.ctx, []view.Write{{Key: key(3), Value: []byte("w"), Last: 4}})
	s.must(err)
	for after, want := range map[uint64][]uint64{0: {1, 2, 3, 5, 6}, 3: {5, 6}, 5: {6}, 6: nil, 9: nil} {
		recs, last, err := a.Since(s.ctx, placement, after)
		s.must(err)
		if got := revisions(recs); !reflect.DeepEqual(got, want) || last != 6 {
			t.Errorf("since %d: %v, %d; want %v, 6", after, got, last, want)
		}
	}
}

func revisions(recs []view.Record) []uint64 {
	var all []uint64
	for i := range recs {
		all = append(all, recs[i].Revision)
	}
	return all
}

func sinceReadsMany(t *testing.T, s *setup) {
	const batches = 3
	a, heard := s.open("a")
	for b := range batches {
		writes := make([]view.Write, view.MaxCommit)
		for i := range writes {
			writes[i] = view.Write{Key: key(b*view.MaxCommit + i), Value: []byte("some value of a child")}
		}
		_, err := a.Commit(s.ctx, writes)
		s.must(err)
	}
	total := batches * view.MaxCommit
	_, err := a.Commit(s.ctx, []view.Write{{Key: key(0), Delete: true, Last: 1}})
	s.must(err)
	s.eventually("all records are heard", func() bool { return len(heard.of(placement)) == total+1 })
	for _, after := range []uint64{0, 1, 100, 2935, 2936, 2937, 3000} {
		recs, last, err := a.Since(s.ctx, placement, after)
		s.must(err)
		want := heard.of(placement)[max(after, 1):]
		if last != uint64(total+1) || !reflect.DeepEqual(recs, want) {
			t.Errorf("since %d: %d records to %d, want %d to %d", after, len(recs), last, len(want), total+1)
		}
	}
}

func foreignWritesAreRecords(t *testing.T, s *setup) {
	a, heard := s.open("a")
	s.sys.Put(s, s.hub, placement, "k", []byte("{junk"))
	s.sys.Delete(s, s.hub, placement, "k")
	s.eventually("both are heard", func() bool { return len(heard.of(placement)) == 2 })
	want := []view.Record{
		{Bucket: placement, Key: "k", Value: []byte("{junk"), Revision: 1},
		{Bucket: placement, Key: "k", Revision: 2, Deleted: true},
	}
	if got := heard.of(placement); !reflect.DeepEqual(got, want) {
		t.Errorf("heard %+v, want %+v", got, want)
	}
	recs, last, err := a.Since(s.ctx, placement, 0)
	s.must(err)
	if !reflect.DeepEqual(recs, want[1:]) || last != 2 {
		t.Errorf("since 0: %+v, %d", recs, last)
	}
}
