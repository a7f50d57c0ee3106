package view

import (
	"encoding/json"
	"strconv"

	"github.com/phub-io/phub/protocol"
)

// MaxCommit is the largest number of writes in one commit, the view included (the limit of an atomic
// batch, ADR-50).
const MaxCommit = 1000

// commitOp is a commit under way. There is one at a time, so that each is decided on what the one
// before it left.
type commitOp struct {
	nonce  string
	writes []Write
	keys   set
}

// commit stores entries and the view that follows on the present one, all or nothing. The view is
// changed by edit; its number, coordinator and reason are set here.
func (m *Machine) commit(reason string, entries []Write, edit func(v *protocol.View)) {
	if m.lead == nil {
		m.noteClock()
	}
	v := m.nextView(reason)
	if edit != nil {
		edit(v)
	}
	v.Batch = len(entries) + 1
	m.ops++
	v.Nonce = m.self.ID + "." + itoa(m.ops)
	writes := append(entries, Write{
		Key: protocol.ViewKey, Value: m.signView(v), Last: m.history.Revision(protocol.ViewKey),
	})
	keys := make(set, len(writes))
	for _, w := range writes {
		keys[w.Key] = true
	}
	m.propose(v.Members)
	m.op = &commitOp{nonce: v.Nonce, writes: writes, keys: keys}
	m.do(CommitWrites{Nonce: v.Nonce, Writes: writes})
}

// nextView returns the view that would follow, with this node as the coordinator.
func (m *Machine) nextView(reason string) *protocol.View {
	v := &protocol.View{
		V: 1, Number: m.nextNumber(), Coordinator: m.self, Reason: reason, Time: m.wall(), Hub: m.hub(),
	}
	if old := m.history.View(); old != nil {
		v.Members = append(v.Members, old.Members...)
		if !m.cfg.Unsafe.ForgetGone {
			v.Gone = append(v.Gone, old.Gone...)
		}
	}
	m.vouch(v)
	return v
}

// committedOp takes the result of a commit. Whatever it is, what counts is what the stream holds.
func (m *Machine) committedOp(e Committed) {
	if m.op == nil || m.op.nonce != e.Nonce {
		return // of a connection that is no more
	}
	op := m.op
	m.op = nil
	if e.Outcome == OutcomeUnknown && m.cfg.Unsafe.GuessCommit {
		e.Outcome, e.Revision = Done, m.history.Last()+uint64(len(op.writes))
	}
	if e.Outcome != Done {
		if e.Outcome == Conflict {
			m.readRefused(protocol.PlacementBucket, op.writes)
		}
		m.reload(protocol.PlacementBucket)
		m.replan()
		return
	}
	delete(m.refused, protocol.PlacementBucket)
	m.acknowledged(protocol.PlacementBucket, op.writes, e.Revision)
}

// readRefused reads keys that were refused: those where nothing should stand but a delete marker, which the stream
// forgets after a while without a word; and when that did not help, all of them, because somebody may have purged one.
// What was changed in another way is found when the bucket is read.
func (m *Machine) readRefused(b protocol.Bucket, writes []Write) {
	m.refused[b]++
	again := m.refused[b]%refusedAgain == 0
	for _, w := range writes {
		spec, _ := m.specs.Get(w.Key)
		gone := b == protocol.ChildrenBucket && spec == nil ||
			b == protocol.PlacementBucket && m.history.Entry(w.Key) == nil && w.Key != protocol.ViewKey && w.Key != protocol.ConfigKey
		if gone && (w.Last != 0 || m.forgetful(b)) || again {
			m.readKey(b, w.Key)
		}
	}
}

// forgetful reports whether this node has forgotten markers of a bucket: one may stand where it knows of nothing.
func (m *Machine) forgetful(b protocol.Bucket) bool {
	marks := &m.history.marks
	if b == protocol.ChildrenBucket {
		marks = &m.specs.marks
	}
	return len(marks.all) >= markersKept
}

// refusedAgain is after how many refusals in a row all keys are read.
const refusedAgain = 3

// refusedRead takes what the stream's leader has under a key. One that was deposed may have said before that there is
// nothing.
func (m *Machine) refusedRead(e KeyRead) {
	keys, feed, forget := m.history.keys, &m.history.feed, m.history.forget
	if e.Bucket == protocol.ChildrenBucket {
		keys, feed, forget = m.specs.keys, &m.specs.feed, m.specs.forget
	}
	switch rev := e.Record.Revision; {
	case e.Outcome != Done:
	case rev == 0 && keys[e.Key] > e.Known: // it was written since
	case rev == 0:
		forget(e.Key)
	case keys[e.Key] == 0 && rev <= feed.Last():
		keys[e.Key] = rev
	}
}

// admit adds an incarnation to a view.
func (m *Machine) admit(v *protocol.View, member protocol.Member) {
	if member.Since = v.Number; m.cfg.Unsafe.NoSince {
		member.Since = 1
	}
	v.Members = append(v.Members, member)
}

// depart takes an incarnation out of a view, and notes when.
func depart(v *protocol.View, in protocol.Incarnation, reason string, hung bool) {
	members := make([]protocol.Member, 0, len(v.Members))
	for _, x := range v.Members {
		if x.Incarnation != in {
			members = append(members, x)
			continue
		}
		v.Gone = append(v.Gone, protocol.Departure{Incarnation: in, Since: x.Since, Until: v.Number, Reason: reason, Hung: hung})
	}
	v.Members = members
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("phub: encode a value of the protocol: " + err.Error()) // it holds nothing that JSON can't
	}
	return b
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
