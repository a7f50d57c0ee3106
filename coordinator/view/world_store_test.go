package view_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// store is the buckets.
type store struct {
	last map[protocol.Bucket]uint64
	keys map[protocol.Bucket]map[string]view.Record
	old  map[protocol.Bucket]map[uint64]view.Record // all that was ever stored, by revision
}

func newStore() *store {
	s := &store{last: map[protocol.Bucket]uint64{}, keys: map[protocol.Bucket]map[string]view.Record{}, old: map[protocol.Bucket]map[uint64]view.Record{}}
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		s.wipe(b)
	}
	return s
}

func (s *store) wipe(b protocol.Bucket) {
	s.last[b], s.keys[b], s.old[b] = 0, map[string]view.Record{}, map[uint64]view.Record{}
}

func (s *store) clone() *store {
	c := &store{last: maps.Clone(s.last), keys: map[protocol.Bucket]map[string]view.Record{}, old: map[protocol.Bucket]map[uint64]view.Record{}}
	for b := range s.keys {
		c.keys[b], c.old[b] = maps.Clone(s.keys[b]), maps.Clone(s.old[b])
	}
	return c
}

// write stores all or none.
func (s *store) write(b protocol.Bucket, writes []view.Write) ([]view.Record, bool) {
	seen := map[string]bool{}
	for _, x := range writes {
		if seen[x.Key] || s.keys[b][x.Key].Revision != x.Last {
			return nil, false
		}
		seen[x.Key] = true
	}
	records := make([]view.Record, 0, len(writes))
	for _, x := range writes {
		s.last[b]++
		r := view.Record{Bucket: b, Key: x.Key, Value: x.Value, Revision: s.last[b], Deleted: x.Delete}
		s.keys[b][x.Key], s.old[b][r.Revision] = r, r
		records = append(records, r)
	}
	return records, true
}

func (s *store) since(b protocol.Bucket, after uint64) ([]view.Record, uint64) {
	var records []view.Record
	for _, r := range s.keys[b] {
		if r.Revision > after {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(x, y view.Record) int { return int(x.Revision) - int(y.Revision) })
	return records, s.last[b]
}

func (s *store) sorted(b protocol.Bucket) []view.Record {
	records, _ := s.since(b, 0)
	slices.SortFunc(records, func(x, y view.Record) int {
		if x.Key < y.Key {
			return -1
		}
		return 1
	})
	return records
}

// view returns the last view that is stored, or nil.
func (s *store) view() *protocol.View {
	v, err := protocol.DecodeView(s.keys[protocol.PlacementBucket][protocol.ViewKey].Value)
	if err != nil {
		return nil
	}
	return &v
}

// put stores what somebody writes who doesn't ask for any revision.
func (w *world) put(x view.Write, b protocol.Bucket) {
	x.Last = w.store.keys[b][x.Key].Revision
	records, _ := w.store.write(b, []view.Write{x})
	w.publish(records)
}

// putBack has somebody store again what was stored at a revision, perhaps many times.
func (w *world) putBack(b protocol.Bucket, d *datadriven.TestData) error {
	n, err := strconv.ParseUint(d.CmdArgs[1].Key, 10, 64)
	r, ok := w.store.old[b][n]
	if !ok {
		return fmt.Errorf("nothing was stored at revision %d: %w", n, err)
	}
	times := 1
	if len(d.CmdArgs) > 2 {
		times, err = strconv.Atoi(d.CmdArgs[2].Vals[0])
	}
	for range times {
		w.put(view.Write{Key: r.Key, Value: r.Value, Delete: r.Deleted}, b)
		w.pass(100 * time.Millisecond)
	}
	return err
}

// publish tells all nodes what was stored.
func (w *world) publish(records []view.Record) {
	for _, n := range w.names() {
		p := w.nodes[n]
		for _, r := range records {
			if p.astray() || p.unfed {
				continue
			}
			if p.deaf > 0 && r.Bucket != protocol.NodesBucket {
				p.deaf--
				continue
			}
			p.hears(view.RecordStored{Record: r})
		}
	}
}

// write stores writes for a node, unless the story says otherwise, and answers.
func (w *world) write(s *store, b protocol.Bucket, writes []view.Write, answer func(uint64, view.Outcome)) {
	do := func() {
		fate := ""
		if acks := w.acks[b]; len(acks) > 0 {
			fate, w.acks[b] = acks[0], acks[1:]
		}
		if fate == "never" {
			return
		}
		records, ok := s.write(b, writes)
		switch {
		case !ok:
			answer(0, view.Conflict)
			return
		case fate != "lost":
			answer(s.last[b], view.Done)
		}
		w.publish(records)
	}
	switch {
	case w.stall[b] != nil:
		w.stall[b] = append(w.stall[b], do)
	case w.slow[b] > 0:
		w.after(w.slow[b], do)
	default:
		do()
	}
}
