package sim

import (
	"maps"
	"slices"
	"strconv"

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
	keys = slices.DeleteFunc(keys, w.spared(s))
	key := keys[(f.A/len(buckets)+f.B)%len(keys)]
	r := view.Record{Key: key}
	old := s.old[key]
	switch n := f.B % 4; {
	case n == 0:
		r.Deleted = true
	case n == 1 && len(old) > 1 && s.bucket == protocol.ChildrenBucket && !old[len(old)-1].Deleted:
		r.Value = old[f.A%(len(old)-1)].Value
		r.Deleted = old[f.A%(len(old)-1)].Deleted
	default:
		r.Value = []byte(junk[f.A%len(junk)])
	}
	w.client.meddled(s.bucket, key)
	s.put(r)
}

// spared returns which keys nobody meddles with: the entries of children. Those who saw what stood there know
// better, and write it again; but if what stands there can't be told from what phub wrote, who reads it back obeys
// it (see DESIGN.md on foreign records), and if nobody is left who knows better, it is lost.
func (w *world) spared(s *stream) func(key string) bool {
	return func(key string) bool {
		return s.bucket == protocol.PlacementBucket && (w.client.names[key] != nil || key == protocol.ViewKey && w.unread())
	}
}

// put stores a record whatever stands there, unseen by the checks of what phub itself stores.
func (s *stream) put(r view.Record) {
	s.last++
	r.Bucket, r.Revision = s.bucket, s.last
	s.keys[r.Key] = r
	s.w.check.foreign = s.w.check.foreign || s.bucket == protocol.PlacementBucket && r.Key == protocol.ConfigKey
	s.w.tell("", "SOMEBODY writes to bucket %s: %s", s.bucket, shown(r))
	s.repeat([]view.Record{r})
}

// respecify has somebody write under a child's key, and again after a while: the first may be about to be undone.
func (w *world) respecify(f Fault) {
	s := w.streams[protocol.ChildrenBucket]
	if len(w.client.all) == 0 {
		return
	}
	k, n := w.client.all[f.A%len(w.client.all)], f.B
	write := func() {
		if s.server() == nil {
			return
		}
		r := view.Record{Key: k.name}
		switch n % 3 {
		case 0:
			r.Deleted = true
		case 1:
			evil := k.spec.WithDefaults(w.plan.Config.Redundancy)
			evil.Kind = "evil" + strconv.Itoa(n)
			r.Value = encode(evil)
		default:
			r.Value = []byte(junk[n%len(junk)])
		}
		n /= 3
		w.client.meddled(s.bucket, k.name)
		s.put(r)
	}
	write()
	w.in(f.For, write)
}

// meddled notes that what is stored of a child is not phub's.
func (c *client) meddled(b protocol.Bucket, key string) {
	if k := c.names[key]; k != nil && b == protocol.ChildrenBucket {
		k.foreign = true
	}
}

// inherited notes that a process coordinates, and has read what there is to run. What somebody else wrote counts for it, unless it read
// what is placed before that.
func (c *client) inherited(p *process) {
	for _, k := range c.all {
		k.meddled = k.meddled || k.foreign && !c.w.knowsBetter(p, k)
	}
}

// knowsBetter reports whether a process has read the spec that is placed of a child. That one was deleted
// which its worker's end may stop is believed; what stands there now may be junk over that.
func (w *world) knowsBetter(p *process, k *kid) bool {
	e := w.check.entries[k.name]
	_, err := protocol.DecodeSpec(w.streams[protocol.ChildrenBucket].keys[k.name].Value)
	if policy := k.spec.Restart.Policy; err != nil && policy != "" && policy != protocol.Permanent {
		return false
	}
	return e.there && p.specs.read[specAt{k.name, e.Spec}]
}

// readSpecs are the specs that a process has read since its incarnation began, or it began to follow the bucket from nothing.
type readSpecs struct {
	in   protocol.Incarnation
	read map[specAt]bool
}

type specAt struct {
	child    string
	revision uint64
}

// reads notes what the process reads.
func (p *process) reads(e view.Event) {
	if in := p.machine.Incarnation(); p.specs.in != in {
		p.specs = readSpecs{in, map[specAt]bool{}}
	}
	l, ok := e.(view.RecordsLoaded)
	if !ok || l.Bucket != protocol.ChildrenBucket || l.Outcome != view.Done {
		return
	}
	if l.After == 0 {
		clear(p.specs.read)
	}
	for _, r := range l.Records {
		p.specs.read[specAt{r.Key, r.Revision}] = true
	}
}
