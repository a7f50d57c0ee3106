package sim

import (
	"maps"
	"math/rand/v2"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// What becomes of a hub whose buckets are lost, or replaced by an older copy. What was acknowledged is lost with them. Epochs of a
// child must not fall nevertheless: not over the whole run.

// spread is how far the wall clocks of two processes are apart at most.
const spread = 400 * ms

// copied is what somebody saved of a bucket.
type copied struct {
	keys map[string]view.Record
	last uint64
}

// wall returns how far a process's wall clock is ahead of the one that is the furthest behind.
func (w *world) wall() int64 { return w.walls.Int64N(spread) }

// losses has somebody copy all buckets, and later put the copy in their place or delete them, in one of some runs.
func (p *Plan) losses(r *rand.Rand) {
	if r.IntN(lossEvery) > 0 {
		return
	}
	for range 1 + r.IntN(2) {
		t := r.Int64N(p.End - 4*sec)
		p.Faults = append(p.Faults, Fault{At: t, Kind: Copy})
		lose := Fault{At: t + r.Int64N(p.End-3*sec-t), Kind: Restore + Kind(r.IntN(2)), For: pick(r, 0, 300*ms, 3*sec)}
		p.Faults = append(p.Faults, lose)
	}
}

// One of so many runs loses its buckets.
const lossEvery = 6

func (w *world) copyBuckets() {
	w.copies = map[protocol.Bucket]copied{}
	for _, b := range buckets {
		w.copies[b] = copied{maps.Clone(w.streams[b].keys), w.streams[b].last}
	}
}

// loseBuckets ends all nodes, and deletes the buckets or puts the copy in their place. Other nodes start then. It waits until
// the last coordinator has had its role for longer than clocks are apart: then the next one's numbers are larger.
func (w *world) loseBuckets(f Fault) {
	if w.now < w.check.began+spread {
		w.in(spread, func() { w.loseBuckets(f) })
		return
	}
	if f.Kind == Lose || w.copies == nil {
		w.copies = nil
		w.tell("", "SOMEBODY deletes all buckets")
	} else {
		w.tell("", "SOMEBODY restores a copy of all buckets")
	}
	for _, p := range w.procs {
		p.crash(true)
	}
	for _, b := range buckets {
		w.streams[b].become(w.copies[b])
	}
	w.check.lost()
	w.client.lost()
	for _, name := range w.names {
		w.in(f.For, func() { w.boot(name) })
	}
}

// become has the stream hold what a copy holds.
func (s *stream) become(c copied) {
	s.last, s.keys, s.old, s.was = c.last, map[string]view.Record{}, map[string][]view.Record{}, nil
	maps.Copy(s.keys, c.keys)
}

// lost takes that only what the streams hold now was ever committed. The epochs that were served stay.
func (c *checker) lost() {
	keys := c.w.streams[protocol.PlacementBucket].keys
	c.config = nil
	if stored := keys[protocol.ConfigKey].Value; readable(stored) {
		c.configured(stored)
	}
	c.id = ""
	c.viewValue = keys[protocol.ViewKey].Value
	c.view, _ = protocol.DecodeView(c.viewValue)
	for child, was := range c.entries {
		e, err := protocol.DecodeEntry(keys[child].Value)
		c.entries[child] = placed{Entry: e, there: err == nil && !keys[child].Deleted, first: was.first}
	}
}

// readable reports whether a value is a configuration. What somebody had written over it when the copy was made keeps none: there nobody
// knows the former one, and the first coordinator makes it anew.
func readable(value []byte) bool {
	_, err := protocol.DecodeConfig(value)
	return err == nil
}

// lost has the client ask anew for what it had started.
func (c *client) lost() {
	for _, k := range c.all {
		k.meddled = true  // what was acknowledged may be gone
		k.restored = true // or be what it was once
	}
	for _, k := range c.kids {
		if k != nil && k.started && !k.busy {
			k.started, k.busy = false, true
			c.start(k, 0)
		}
	}
}
