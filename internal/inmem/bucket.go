package inmem

import (
	"fmt"
	"slices"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// bucket is one key-value bucket: the last record of each key, under the sequences of its stream.
type bucket struct {
	name protocol.Bucket
	seq  uint64
	last map[string]view.Record
}

// hub is one hub's buckets.
type hub struct {
	subjects protocol.Subjects
	buckets  map[protocol.Bucket]*bucket
}

func newHub(name string) *hub {
	h := &hub{subjects: protocol.SubjectsOf(name), buckets: map[protocol.Bucket]*bucket{}}
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		h.buckets[b] = &bucket{name: b, last: map[string]view.Record{}}
	}
	return h
}

// check returns ErrConflict if any of the writes may not be stored.
func (b *bucket) check(writes []view.Write) error {
	if len(writes) == 0 || len(writes) > view.MaxCommit {
		return fmt.Errorf("found %d writes, allowed are 1 to %d", len(writes), view.MaxCommit)
	}
	keys := map[string]bool{}
	for i := range writes {
		w := &writes[i]
		if keys[w.Key] {
			return fmt.Errorf("found key %q twice, allowed is one write for each key", w.Key)
		}
		keys[w.Key] = true
		if have := b.last[w.Key].Revision; have != w.Last {
			return fmt.Errorf("key %q has revision %d, expected %d: %w", w.Key, have, w.Last, coordinator.ErrConflict)
		}
	}
	return nil
}

func (b *bucket) store(w *view.Write) view.Record {
	b.seq++
	r := view.Record{Bucket: b.name, Key: w.Key, Value: slices.Clone(w.Value), Revision: b.seq, Deleted: w.Delete}
	if w.Delete {
		r.Value = nil
	}
	b.last[w.Key] = r
	return r
}

func (b *bucket) since(after uint64) ([]view.Record, uint64) {
	var recs []view.Record
	for _, r := range b.last {
		if r.Revision > after {
			recs = append(recs, r)
		}
	}
	slices.SortFunc(recs, func(x, y view.Record) int {
		if x.Revision < y.Revision {
			return -1
		}
		return 1
	})
	return recs, b.seq
}

// write stores writes and republishes them. It needs the lock of NATS.
func (n *NATS) write(h *hub, b *bucket, writes []view.Write) (uint64, error) {
	if err := b.check(writes); err != nil {
		return 0, fmt.Errorf("write to bucket %s: %w", b.name, err)
	}
	recs := make([]view.Record, len(writes))
	for i := range writes {
		recs[i] = b.store(&writes[i])
	}
	for i := range recs {
		n.republish(h, recs[i])
	}
	return b.seq, nil
}

func (n *NATS) republish(h *hub, r view.Record) {
	subject := h.subjects.Stored(r.Bucket, r.Key)
	for _, s := range n.broker.targets(subject) {
		if n.drop != nil && n.drop("", s.node(), subject) {
			continue
		}
		if s.owner != nil && s.owner.records != nil {
			s.owner.deliverRecord(r)
		} else {
			s.deliver(Msg{Subject: subject, Data: r.Value})
		}
	}
}
