package view

import (
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// desired changes what is to run: the specs in the children bucket. One write is under way at a time.
//
// What is to stand under a child's name is known here, and not taken from the bucket, from the moment that it is asked for until
// the bucket was read up to where it is stored: somebody else may have changed what stood there before, and may change it
// again, and a reading shows only what stands there last.
type desired struct {
	queue  []specWrite
	op     *specOp
	ids    uint64
	retry  time.Duration // not before this instant
	wanted map[string]wanted
	stored map[string]stored // of the children in wanted: what is written, and was not read yet
	// since has children whose spec somebody else changed, and the revision of what stood there: whatever was stored or placed
	// here since then is the same spec.
	since map[string]uint64
}

// wanted is what will stand under a child's name when the last of n writes is done, and read.
type wanted struct {
	spec *protocol.Spec
	n    int
}

// stored are n writes under a child's name, and the revision of the last one.
type stored struct {
	revision uint64
	n        int
}

// push has a child's spec written that somebody asked for.
func (d *desired) push(w specWrite) {
	delete(d.since, w.child)
	d.enqueue(w)
}

func (d *desired) enqueue(w specWrite) {
	if d.wanted == nil {
		d.wanted = map[string]wanted{}
	}
	d.wanted[w.child] = wanted{w.spec, d.wanted[w.child].n + 1}
	d.queue = append(d.queue, w)
}

// finish notes that n writes of a child's spec are done.
func (d *desired) finish(child string, n int) {
	x := d.wanted[child]
	if x.n -= n; x.n <= 0 {
		delete(d.wanted, child)
		return
	}
	d.wanted[child] = x
}

// specWrite is what is to stand under a child's name.
type specWrite struct {
	child string
	spec  *protocol.Spec // nil: nothing
	over  uint64         // written also if it stands there by this revision; 0: not
}

type specOp struct {
	id     uint64
	sent   []specWrite
	writes []Write
	keys   set
}

// interrupt puts back what was under way when the connection ended.
func (d *desired) interrupt() {
	if d.op != nil {
		d.queue = append(slices.Clone(d.op.sent), d.queue...)
		d.op = nil
	}
}

// changing returns what is to stand under a child's name once all that is under way is done and read, and
// whether anything is.
func (d *desired) changing(child string) (specWrite, bool) {
	w, ok := d.wanted[child]
	return specWrite{child: child, spec: w.spec}, ok
}

// intends reports whether one of the writes that are due or under way leaves a child as it is now. What
// was asked for last need not be what is written first.
func (d *desired) intends(child string, now *protocol.Spec) bool {
	w, ok := d.wanted[child]
	if !ok {
		return false
	}
	same := func(x specWrite) bool { return x.child == child && sameSpec(x.spec, now) }
	return sameSpec(w.spec, now) || d.op != nil && slices.ContainsFunc(d.op.sent, same) || slices.ContainsFunc(d.queue, same)
}

func sameSpec(x, y *protocol.Spec) bool {
	return x == nil && y == nil || x != nil && y != nil && x.Equal(y)
}

// desiredDue starts the next write of specs.
func (m *Machine) desiredDue() {
	d := &m.lead.desired
	if d.op != nil || len(d.queue) == 0 || m.now.Mono < d.retry || !m.ready() || !m.authority() && !m.cfg.Unsafe.ActAnyway || m.lead.inherits || m.holdsBack(protocol.ChildrenBucket) {
		return
	}
	n := min(len(d.queue), MaxCommit)
	op := &specOp{keys: set{}}
	seen := map[string]bool{}
	rest := d.queue[n:]
	var later []specWrite
	for _, w := range d.queue[:n] {
		switch {
		case seen[w.child]:
			later = append(later, w)
		case m.stands(w):
			d.finish(w.child, 1)
			m.lead.placing.touch(w.child)
		default:
			seen[w.child] = true
			op.sent = append(op.sent, w)
			op.writes = append(op.writes, m.writeOf(w))
			op.keys[w.child] = true
		}
	}
	d.queue = append(later, rest...)
	if len(op.sent) == 0 {
		return
	}
	d.ids++
	op.id = d.ids
	d.op = op
	m.do(WriteSpecs{ID: op.id, Writes: op.writes})
}

// stands reports whether the bucket already holds what is to be written, as far as it is read. What was stored since
// is not.
func (m *Machine) stands(w specWrite) bool {
	if _, unread := m.lead.desired.stored[w.child]; unread {
		return false
	}
	spec, _ := m.specs.Get(w.child)
	return m.specs.bad[w.child] == "" && sameSpec(spec, w.spec) && (w.over == 0 || m.specs.keys[w.child] != w.over)
}

func (m *Machine) writeOf(w specWrite) Write {
	write := Write{Key: w.child, Last: max(m.specs.keys[w.child], m.lead.desired.stored[w.child].revision), Delete: w.spec == nil}
	if w.spec != nil {
		write.Value = encode(w.spec)
	}
	return write
}

const specRetry = 50 * time.Millisecond

// specsWritten takes the result of a write of specs. One that was refused, or whose outcome is
// unknown, is done again on top of what the bucket holds.
func (m *Machine) specsWritten(e SpecsWritten) {
	if m.lead == nil || m.lead.desired.op == nil || m.lead.desired.op.id != e.ID {
		return
	}
	d := &m.lead.desired
	if e.Outcome != Done {
		if e.Outcome == Conflict {
			m.readRefused(protocol.ChildrenBucket, d.op.writes)
		}
		d.interrupt()
		d.retry = m.now.Mono + specRetry
		m.reload(protocol.ChildrenBucket)
		return
	}
	delete(m.refused, protocol.ChildrenBucket)
	first := e.Revision - uint64(len(d.op.writes)) + 1
	m.acknowledged(protocol.ChildrenBucket, d.op.writes, e.Revision)
	if m.lead == nil {
		return
	}
	d.store(first)
	if m.cfg.Unsafe.UndoRead {
		clear(d.stored)
		clear(d.wanted)
	}
	m.desiredRead()
}

// store notes that the write under way is stored, from a revision on.
func (d *desired) store(first uint64) {
	if d.stored == nil {
		d.stored = map[string]stored{}
	}
	for i, w := range d.op.sent {
		d.stored[w.child] = stored{first + uint64(i), d.stored[w.child].n + 1}
	}
	d.op = nil
}

// desiredRead finishes the writes that were read by now. What somebody else wrote over one of them, or deleted, is undone.
func (m *Machine) desiredRead() {
	d := &m.lead.desired
	for _, child := range sortedKeys(d.stored) {
		st := d.stored[child]
		if m.specs.Last() < st.revision {
			continue
		}
		w, _ := d.changing(child)
		delete(d.stored, child)
		d.finish(child, st.n)
		m.lead.placing.touch(child)
		m.lead.news = true
		if _, busy := d.changing(child); !busy && !m.stands(w) {
			d.retry = m.now.Mono + specRetry // somebody may go on without end
			d.enqueue(w)
		}
	}
}

// wrote reports whether a record up to this revision was written by this coordinator, or before it was.
func (d *desired) wrote(child string, revision uint64) bool {
	return revision <= d.stored[child].revision
}

// leadSpec follows a change of a spec. One that this coordinator did not make is undone: specs change
// by control requests only.
func (m *Machine) leadSpec(c SpecChange) {
	if m.lead == nil {
		return
	}
	m.lead.placing.touch(c.Child)
	m.noteServed(c.Child)
	if m.lead.inherits || m.lead.desired.wrote(c.Child, c.Revision) || m.lead.desired.intends(c.Child, c.After) || sameSpec(c.Before, c.After) {
		m.respecify(c)
		return
	}
	m.note(Warn, "the spec of child %s was changed in the bucket from outside: undone", c.Child)
	m.bad(BadKey{protocol.ChildrenBucket, c.Child, "changed from outside: undone"})
	m.undo(c.Child, c.Before, c.Was)
}

// undo writes again what is to stand under a child's name: what stood there by a revision, or what was asked for since.
func (m *Machine) undo(child string, spec *protocol.Spec, revision uint64) {
	d := &m.lead.desired
	w, busy := d.changing(child)
	if !busy {
		w.spec = spec
		if spec != nil {
			d.keepSince(child, revision)
		}
	}
	d.enqueue(w)
}

// keepSince notes that what is written under a child's name from now on is what stood there by a revision.
func (d *desired) keepSince(child string, revision uint64) {
	if d.since == nil {
		d.since = map[string]uint64{}
	}
	if d.since[child] == 0 {
		d.since[child] = revision
	}
}

// same reports whether what stands under a child's name by one of two revisions is the same as by the other, as far as is known.
func (d *desired) same(child string, a, b uint64) bool {
	since := d.since[child]
	return a == b || since != 0 && min(a, b) >= since
}

// unchanged returns since which revision the spec that is to be placed is the one that an entry places, if that is not of the same
// revision: it is written again when somebody else changed it, and that is nothing to its workers.
func (d *desired) unchanged(e *Placed, revision uint64) uint64 {
	since := d.since[e.Child]
	switch {
	case revision == e.Spec:
		return e.Unchanged
	case since != 0 && min(revision, e.Spec) >= since:
		return e.SpecSince()
	}
	return 0
}

// renewSpecs writes again what its predecessors stored and nobody has placed. They may have found that changed from outside,
// and a write that undoes it may still be under way: it is refused then, and undoes nothing that is acknowledged
// meanwhile. What is under way already, as the stop of a child whose worker ended, is written anyway. Where it knows what is placed,
// it is that: nobody was told of anything else, which may be somebody else's.
func (m *Machine) renewSpecs() {
	if !m.lead.renews || !m.ready() {
		return
	}
	m.lead.renews = false
	for _, child := range sortedKeys(m.specs.specs) {
		spec, rev := m.specs.Get(child)
		e := m.history.Entry(child)
		if e != nil && e.Spec == rev || m.respecified(child) || m.restored(child, e) {
			continue
		}
		m.lead.desired.push(specWrite{child, spec, rev})
	}
	for _, child := range m.history.children() {
		if spec, _ := m.specs.Get(child); spec == nil && m.specs.keys[child] != 0 && !m.respecified(child) && !m.restored(child, m.history.Entry(child)) {
			m.lead.desired.push(specWrite{child: child, over: m.specs.keys[child]})
		}
	}
}

// restored has the spec written again that a child's entry places, if that is known, and reports whether it is. The end of a transient or
// temporary child's worker may have stopped it, and somebody may have started it anew: neither is undone.
func (m *Machine) restored(child string, e *Placed) bool {
	if e == nil || m.cfg.Unsafe.TakeStored {
		return false
	}
	placed := m.specs.At(child, e.Spec)
	now, _ := m.specs.Get(child)
	if placed == nil || placed.Restart.Policy != protocol.Permanent && (now == nil || sameSpec(now, placed)) {
		return false
	}
	if !sameSpec(now, placed) {
		m.note(Warn, "the spec of child %s in the bucket is not the one that is placed, and nobody was told of it: taken back", child)
	}
	d := &m.lead.desired
	d.keepSince(child, e.Spec)
	d.enqueue(specWrite{child, placed, m.specs.keys[child]})
	return true
}

// healSpecs rewrites what somebody overwrote with what means nothing.
func (m *Machine) healSpecs() {
	for _, b := range m.specs.Bad() {
		spec, rev := m.specs.Get(b.Key)
		if _, busy := m.lead.desired.changing(b.Key); spec == nil || busy {
			continue
		}
		m.undo(b.Key, spec, rev)
	}
}
