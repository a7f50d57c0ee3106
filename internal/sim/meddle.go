package sim

import (
	"maps"
	"slices"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// junk is what people may write by mistake.
var junk = []string{"", "junk", "{}", "[1]", `{"v":1}`, `{"v":99,"view":7}`, `{"v":1,"view":1e99}`, `{"v":1,"child":"other","kind":"k"}`, "\x00\xff"}

// meddle has somebody write to a bucket, or delete from it, who has no business there: a key that phub
// has or one that it has not; junk, or what phub itself stored there before.
func (w *world) meddle(f Fault) {
	s := w.streams[buckets[f.A%len(buckets)]]
	if s.server() == nil {
		return
	}
	keys := append(slices.Sorted(maps.Keys(s.keys)), "nobodys")
	key := keys[(f.A/len(buckets)+f.B)%len(keys)]
	r := view.Record{Key: key}
	old := s.old[key]
	switch n := f.B % 4; {
	case n == 0 && w.mayDelete(s, key):
		r.Deleted = true
	case n == 1 && len(old) > 1 && s.mayRevert(key):
		before := old[f.A%(len(old)-1)]
		r.Value, r.Deleted = before.Value, before.Deleted
	default:
		r.Value = []byte(junk[f.A%len(junk)])
	}
	w.client.meddled(s.bucket, key)
	s.put(r)
}

// mayDelete reports whether a key may be deleted: not one that holds a fence. Whoever does that lets a
// node live again that is being removed, as whoever writes another record of it does. Nor an entry: a
// deletion can't vouch for itself, so a node that reads it back obeys it, one that hears of it does not,
// and until there is another entry of that child the two know different things.
func (w *world) mayDelete(s *stream, key string) bool {
	switch s.bucket {
	case protocol.ChildrenBucket:
		return true
	case protocol.PlacementBucket:
		return w.client.names[key] == nil
	case protocol.NodesBucket:
	}
	rec, err := protocol.DecodeNodeRecord(s.keys[key].Value)
	return err != nil || rec.Status.Alive()
}

// mayRevert reports whether an older record of a key may be stored again. With an older view, or the
// entry of a child that is no more, while nobody lives who knows better, somebody has rewritten history.
func (s *stream) mayRevert(key string) bool {
	old := s.old[key]
	return s.bucket != protocol.NodesBucket && key != protocol.ViewKey && !old[len(old)-1].Deleted
}

// put stores a record whatever stands there, unseen by the checks of what phub itself stores.
func (s *stream) put(r view.Record) {
	s.last++
	r.Bucket, r.Revision = s.bucket, s.last
	s.keys[r.Key] = r
	s.w.tell("", "SOMEBODY writes to bucket %s: %s", s.bucket, shown(r))
	s.repeat([]view.Record{r})
}

// meddled notes that what is stored of a child is not only phub's any more: if nobody coordinates at
// that moment, it counts.
func (c *client) meddled(b protocol.Bucket, key string) {
	if k := c.names[key]; k != nil && b == protocol.ChildrenBucket {
		k.meddled = true
	}
}
