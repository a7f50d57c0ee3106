package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// forgeEvery is the mean time between two forged records, in half of the runs; in the others it is longer.
const forgeEvery = 2 * sec

// forgery has records forged in every run.
func (p *Plan) forgery(r *rand.Rand) {
	gap := pick(r, forgeEvery/10, forgeEvery, 5*forgeEvery)
	for t := r.Int64N(gap); t < p.End; t += 1 + r.Int64N(2*gap) {
		p.Faults = append(p.Faults, faultOf(r, Forge, t))
	}
}

// forgeRecord has somebody publish what looks as if a bucket's stream had stored it: of the next revision, or of one that
// is near or far ahead; junk, or well-formed. Most nodes hear it.
func (w *world) forgeRecord(f Fault) {
	s := w.streams[buckets[f.A%len(buckets)]]
	r := rand.New(rand.NewPCG(w.plan.Seed+w.plan.Salt, uint64(f.At)+uint64(f.B)))
	var records []view.Record
	switch s.bucket {
	case protocol.PlacementBucket:
		records = w.forgedCommit(r)
	case protocol.ChildrenBucket:
		records = w.forgedSpec(r)
	default:
		records = w.forgedNode(r)
	}
	revision := s.last + 1
	switch n := r.IntN(4); {
	case f.B >= Child:
		records = w.forgedRenewal(w.names[(f.B-Child)%len(w.names)])
	case n == 0:
		revision += 1 + r.Uint64N(300)
	case n == 1:
		revision = 1<<53 + r.Uint64N(300)
	}
	for i := range records {
		records[i].Bucket, records[i].Revision = s.bucket, revision+uint64(i)
		w.tell("", "SOMEBODY publishes a record of bucket %s that is none, of revision %d: %s", s.bucket, records[i].Revision, shown(records[i]))
	}
	w.publish(r, records)
}

// publish has forged records heard.
func (w *world) publish(r *rand.Rand, records []view.Record) {
	from := w.servers[r.IntN(servers)]
	if !from.alive {
		return
	}
	for _, s := range w.servers {
		for _, c := range s.conns {
			if c.proc == nil || !c.open || !c.ready || r.IntN(4) == 0 {
				continue
			}
			for _, x := range records {
				w.downTo(from, c, func() { c.proc.loop(view.RecordStored{Record: x}) })
			}
		}
	}
}

// forgedCommit is a view after the last one, perhaps with an entry: it names another coordinator, is without a member,
// or makes another node's replica active.
func (w *world) forgedCommit(r *rand.Rand) []view.Record {
	v := w.check.view
	if len(v.Members) == 0 || r.IntN(8) == 0 {
		return []view.Record{{Key: protocol.ViewKey, Value: []byte(junk[r.IntN(len(junk))])}}
	}
	v.Number += 1 + r.Uint64N(2)
	v.Nonce, v.Batch, v.Reason = "forged", 1, "forged"
	var records []view.Record
	i := r.IntN(len(v.Members))
	switch r.IntN(3) {
	case 0:
		v.Coordinator = v.Members[i].Incarnation
	case 1:
		x := v.Members[i]
		v.Gone = append(slices.Clone(v.Gone), protocol.Departure{Incarnation: x.Incarnation, Since: x.Since, Until: v.Number, Reason: "forged"})
		v.Members = slices.Delete(slices.Clone(v.Members), i, i+1)
	default:
		records = w.forgedEntry(r, v.Number)
	}
	v.Batch += len(records)
	return append(records, view.Record{Key: protocol.ViewKey, Value: encode(v)})
}

func (w *world) forgedEntry(r *rand.Rand, number uint64) []view.Record {
	children := slices.Sorted(maps.Keys(w.check.entries))
	if len(children) == 0 {
		return nil
	}
	child := children[r.IntN(len(children))]
	e := w.check.entries[child].Entry
	if n := len(e.Replicas); n > 0 {
		e.Replicas = append(slices.Clone(e.Replicas[n-1:]), e.Replicas[:n-1]...)
	}
	e.View, e.Epoch, e.After = number, number, nil
	return []view.Record{{Key: child, Value: encode(e)}}
}

// forgedSpec is another spec of a child, or says that its spec was deleted.
func (w *world) forgedSpec(r *rand.Rand) []view.Record {
	keys := slices.Sorted(maps.Keys(w.streams[protocol.ChildrenBucket].keys))
	if len(keys) == 0 {
		return nil
	}
	x := view.Record{Key: keys[r.IntN(len(keys))]}
	spec, err := protocol.DecodeSpec(w.streams[protocol.ChildrenBucket].keys[x.Key].Value)
	switch {
	case err != nil || r.IntN(3) == 0:
		x.Deleted = true
	default:
		spec.Kind = "forged"
		x.Value = encode(spec)
	}
	return []view.Record{x}
}

// forgedNode says that a node has ended, that another incarnation has its name, that it pledges nothing more, or that it lives.
func (w *world) forgedNode(r *rand.Rand) []view.Record {
	s := w.streams[protocol.NodesBucket]
	keys := slices.Sorted(maps.Keys(s.keys))
	if len(keys) == 0 {
		return nil
	}
	key := keys[r.IntN(len(keys))]
	records := w.forgedRenewal(key)
	if records == nil {
		return []view.Record{{Key: key, Deleted: true}}
	}
	rec, err := protocol.DecodeNodeRecord(records[0].Value)
	if err != nil {
		return nil
	}
	switch r.IntN(6) {
	case 0:
		rec.Status, rec.Reason, rec.By = protocol.Lost, "forged", "forged"
	case 1:
		rec.Status, rec.Reason = protocol.Left, "forged"
	case 2:
		rec.ID, rec.Status = fmt.Sprintf("forged-%d", r.IntN(1000)), protocol.Up
	case 3:
		rec.Withdrew = protocol.Withdrawal{ID: w.check.view.Coordinator.ID, View: w.check.view.Number}
	}
	return []view.Record{{Key: key, Value: encode(rec)}}
}

// forgedRenewal says that a node goes on as it was. Nobody guesses a node's next record exactly: see DESIGN.md.
func (w *world) forgedRenewal(node string) []view.Record {
	rec, err := protocol.DecodeNodeRecord(w.streams[protocol.NodesBucket].keys[node].Value)
	if err != nil {
		return nil
	}
	rec.Beat++
	rec.Children += 7
	return []view.Record{{Key: node, Value: encode(rec)}}
}
