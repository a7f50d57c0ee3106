package view

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/phub-io/phub/protocol"
)

// Placed is a committed entry.
type Placed struct {
	protocol.Entry
	Child    string
	Revision uint64 // of the record that holds it
}

// History follows the placement bucket: it holds records back until the view that commits them
// is read, and drops what no view commits. It is the same on every node.
//
// A commit is one atomic batch, so its records stand in the stream without a gap, the view last. A
// record that is not among those was written by somebody else: it is reported and never obeyed.
type History struct {
	feed
	view     *protocol.View
	viewAt   uint64 // its revision; 0: unknown
	authors  Keys   // say who wrote what
	entries  map[string]*Placed
	at       map[string]map[string]*Placed // the same entries by the nodes that they mention, and child
	config   *protocol.Config              // nil: none was committed yet
	keys     map[string]uint64             // the last revision of each key, whoever wrote it
	marks    markers
	bad      map[string]string // keys whose last record is not to be obeyed, and why
	pending  []pending         // since the last view
	own      []Record          // this node's last commit, if it was acknowledged and is not read yet
	newest   uint64            // the largest view number that any entry mentions
	restored bool              // the records that are being taken were read back, with some left out
	other    string            // the id of another hub whose view stands in the bucket
	missed   bool              // records were not read back, and no view since then says that they are no loss
	unsure   bool              // the view's key holds none, and views before that may have been missed
}

// pending is a record that waits for the view that commits it. One that was read back with others left out vouches for
// itself: those may have been views.
type pending struct {
	Record
	restored bool
}

// Commit is one committed view, as a follower applies it.
type Commit struct {
	Before, After *protocol.View
	Changed       []Change
}

// lost returns the nodes that had a member before which is none after it, or is one anew, and those of which a
// departure is told that was not told before. An entry that was not changed and mentions none of them means
// what it meant.
func (c *Commit) lost() []string {
	if c.Before == nil {
		return nil
	}
	var lost []string
	for _, d := range c.After.Gone {
		if !slices.Contains(c.Before.Gone, d) && !slices.Contains(lost, d.Node) {
			lost = append(lost, d.Node)
		}
	}
	for _, x := range c.Before.Members {
		y := c.After.Member(x.Node)
		if (y == nil || y.Incarnation != x.Incarnation || y.Since != x.Since) && !slices.Contains(lost, x.Node) {
			lost = append(lost, x.Node)
		}
	}
	return lost
}

// Change is what a commit did to one child's entry. Both are never changed once published; nil means
// that there is none.
type Change struct {
	Child         string
	Before, After *Placed
}

// NewHistory returns a history that knows nothing yet.
func NewHistory() *History {
	return &History{
		entries: map[string]*Placed{}, at: map[string]map[string]*Placed{}, keys: map[string]uint64{}, bad: map[string]string{},
	}
}

// View returns the last committed view; nil before the first.
func (h *History) View() *protocol.View { return h.view }

// Entry returns a child's entry, or nil.
func (h *History) Entry(child string) *Placed { return h.entries[child] }

// Config returns the hub's configuration, or nil while no view has committed one.
func (h *History) Config() *protocol.Config { return h.config }

// forget notes that nothing is left of a key, not even a marker. What was committed under it stands: somebody purged it.
func (h *History) forget(key string) {
	delete(h.keys, key)
	if h.entries[key] != nil || key == protocol.ViewKey && h.view != nil || key == protocol.ConfigKey && h.config != nil {
		h.bad[key] = purged
	}
}

const (
	purged          = "purged: nothing is left of it"
	notCoordinators = "not written by the coordinator"
)

// Revision returns the last revision of a key, whoever wrote it; 0 if there is none.
func (h *History) Revision(key string) uint64 { return h.keys[key] }

// Newest returns a number that no view, entry or epoch seen so far exceeds.
func (h *History) Newest() uint64 {
	if h.view != nil {
		return max(h.newest, h.view.Number)
	}
	return h.newest
}

// Loaded takes what the stream holds after Last(): records, and its last revision then. Where none is left out between
// the two, the records are followed as they were stored.
func (h *History) Loaded(records []Record, last uint64) []Commit {
	records = h.withOwn(records, last)
	if h.restored = h.leavesOut(records, last); h.restored {
		h.vouch()
		h.missed = true
	}
	commits := h.apply(records)
	h.caughtUp(last)
	return commits
}

// Own takes a commit of this node's own that was acknowledged, and that it can't follow at once: something else was stored before it, and perhaps
// over it since. Others may have followed it. It is taken with what is read next, or now, if it was read already.
func (h *History) Own(records []Record) []Commit {
	first, view := records[0].Revision, records[len(records)-1]
	if view.Revision > h.last {
		h.own = records
		return nil
	}
	if h.viewAt >= view.Revision {
		return nil
	}
	var before, after []pending
	for _, p := range h.pending {
		switch {
		case p.Revision < first:
			before = append(before, p)
		case p.Revision > view.Revision:
			after = append(after, p)
		}
	}
	over := h.bad[protocol.ViewKey]
	h.pending = before
	for _, r := range records {
		h.pending = append(h.pending, pending{Record: r})
	}
	c, ok := h.commit(view)
	h.pending = append(h.pending, after...)
	if over != "" {
		h.bad[protocol.ViewKey] = over // what stands there now is to be written over
	}
	if !ok {
		return nil
	}
	return []Commit{c}
}

// withOwn adds to what was read what this node stored itself, and somebody else has stored something over since.
func (h *History) withOwn(records []Record, last uint64) []Record {
	if len(h.own) == 0 || h.own[len(h.own)-1].Revision > last {
		return records
	}
	own := h.own
	h.own = nil
	for _, r := range own {
		if r.Revision > h.last && !slices.ContainsFunc(records, func(x Record) bool { return x.Revision == r.Revision }) {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(x, y Record) int { return cmp.Compare(x.Revision, y.Revision) })
	return records
}

// vouch takes what waits for its view as committed: that view was missed, and may be gone.
func (h *History) vouch() {
	for i := range h.pending {
		h.pending[i].restored = true
	}
}

func (h *History) apply(records []Record) []Commit {
	var commits []Commit
	for _, r := range records {
		if r.Revision <= h.keys[r.Key] {
			continue
		}
		h.keys[r.Key] = r.Revision
		if h.strayEnds(r) {
			continue
		}
		h.pending = append(h.pending, pending{r, h.restored})
		h.outlast(r.Revision)
		if r.Key != protocol.ViewKey {
			continue
		}
		if c, ok := h.commit(r); ok {
			commits = append(commits, c)
		}
	}
	return commits
}

// strayEnds reports whether a record deletes what phub never had, and forgets then what was there: it needs no view.
// What was read back with others left out may be an entry, and only the next view tells what its deletion is.
func (h *History) strayEnds(r Record) bool {
	mayBe := func(p pending) bool { return p.Key == r.Key && p.restored }
	if r.Key == protocol.ViewKey || !h.stray(r) || slices.ContainsFunc(h.pending, mayBe) {
		return false
	}
	delete(h.bad, r.Key)
	h.marks.add(r.Key, r.Revision, h.keys)
	h.pending = slices.DeleteFunc(h.pending, func(p pending) bool { return p.Key == r.Key })
	return true
}

// outlast bounds what waits for its view, now that the records up to a revision are known: none but the MaxCommit last
// ones can be part of a commit that is still to end, so what stands before them was written by somebody else.
func (h *History) outlast(revision uint64) {
	if len(h.pending) < 2*MaxCommit {
		return
	}
	h.pending = slices.DeleteFunc(h.pending, func(p pending) bool {
		foreign := !p.restored && p.Revision+MaxCommit <= revision
		if foreign {
			h.bad[p.Key] = notCoordinators
		}
		return foreign
	})
}

// commit applies the pending records if the last of them, a view, is one.
func (h *History) commit(r Record) (Commit, bool) {
	v, err := decodeView(r)
	if err == nil && !h.unsafe.BelieveViews {
		err = signedBy(h.authors, v.Coordinator.ID, r.Value)
	}
	if err == nil && h.view != nil && v.Number <= h.view.Number {
		err = fmt.Errorf("view %d is not newer than view %d", v.Number, h.view.Number)
	}
	if err == nil && h.view != nil && h.view.Hub != "" && v.Hub != "" && h.view.Hub != v.Hub && !h.unsafe.AnyHub {
		err = fmt.Errorf("hub: found %q, of another hub; expected %q", v.Hub, h.view.Hub)
		h.other = v.Hub
	}
	if err != nil {
		h.bad[r.Key] = err.Error()
		h.unsure = h.unsure || h.missed
		h.pending = h.pending[:len(h.pending)-1]
		return Commit{}, false
	}
	c := Commit{Before: h.view, After: v}
	h.view, h.viewAt, h.unsure, h.missed = v, r.Revision, false, false
	delete(h.bad, r.Key)
	for _, p := range h.pending[:len(h.pending)-1] {
		// Read back, the views between are gone, and a record of theirs vouches for itself.
		mine := p.Revision+uint64(v.Batch) > r.Revision
		if ch, ok := h.take(p, v, mine); ok {
			c.Changed = append(c.Changed, ch)
		}
	}
	h.pending = h.pending[:0]
	return c, true
}

func (h *History) take(r pending, v *protocol.View, mine bool) (Change, bool) {
	if h.stray(r.Record) && !mine {
		delete(h.bad, r.Key)
		h.marks.add(r.Key, r.Revision, h.keys)
		return Change{}, false
	}
	if !mine && !r.restored && !h.unsafe.ObeyForeign {
		h.bad[r.Key] = notCoordinators
		return Change{}, false
	}
	if r.Key == protocol.ConfigKey {
		h.takeConfig(r.Record, v)
		return Change{}, false
	}
	ch := Change{Child: r.Key, Before: h.entries[r.Key]}
	if !r.Deleted {
		e, err := decodeEntry(r.Record, v, mine)
		if err == nil && ch.Before != nil && e.View <= ch.Before.View {
			err = fmt.Errorf("entry of view %d after the one of view %d", e.View, ch.Before.View)
		}
		if err != nil {
			h.newer(e, v, r.restored)
			h.bad[r.Key] = err.Error()
			return ch, false
		}
		ch.After = &Placed{Entry: e, Child: r.Key, Revision: r.Revision}
		h.newest = max(h.newest, e.View, e.Epoch)
	}
	delete(h.bad, r.Key)
	h.replace(ch)
	if r.Deleted {
		h.marks.add(r.Key, r.Revision, h.keys)
	}
	return ch, ch.Before != nil || ch.After != nil
}

// newer takes that an entry is of a later view than the one that it was found with: somebody put an old view in the
// place of the last one, so what came between was missed, and its numbers must not be used again.
func (h *History) newer(e protocol.Entry, v *protocol.View, restored bool) {
	if restored && e.View > v.Number && e.View <= maxMissed && !h.unsafe.OldView {
		h.newest = max(h.newest, e.View, e.Epoch)
		h.unsure, h.viewAt = true, 0 // that view's revision was another one
	}
}

// maxMissed is the largest number of a view that is believed on an entry's word, which is not signed. It leaves as many numbers
// as there are up to it.
const maxMissed = 1 << 52

// mostMissed returns a number that no view exceeds which this node may have missed since the last one that it knows, unless
// another coordinator began in between: each took a revision at least. What entries say that wait for their view counts, too.
func (h *History) mostMissed() uint64 {
	return max(h.Newest()+h.last-min(h.viewAt, h.last), h.awaits())
}

// awaits returns the largest number of a view that an entry names which waits for its view.
func (h *History) awaits() uint64 {
	most := uint64(0)
	for _, e := range h.awaited() {
		if e.View <= maxMissed {
			most = max(most, e.View)
		}
	}
	return most
}

// replace puts a child's new entry in the place of the one before.
func (h *History) replace(ch Change) {
	for _, node := range ch.Before.nodes() {
		delete(h.at[node], ch.Child)
	}
	if ch.After == nil {
		delete(h.entries, ch.Child)
		return
	}
	h.entries[ch.Child] = ch.After
	for _, node := range ch.After.nodes() {
		if h.at[node] == nil {
			h.at[node] = map[string]*Placed{}
		}
		h.at[node][ch.Child] = ch.After
	}
}

// nodes returns whom an entry mentions, some perhaps twice.
func (e *Placed) nodes() []string {
	if e == nil {
		return nil
	}
	nodes := make([]string, 0, len(e.Replicas)+len(e.After))
	for _, r := range e.Replicas {
		nodes = append(nodes, r.Node)
	}
	return append(nodes, e.After...)
}

// concerned yields the entries that mention one of the nodes, in no order, some perhaps twice.
func (h *History) concerned(nodes []string) iter.Seq[*Placed] {
	return func(yield func(*Placed) bool) {
		for _, node := range nodes {
			for _, e := range h.at[node] {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (h *History) takeConfig(r Record, v *protocol.View) {
	c, err := protocol.DecodeConfig(r.Value)
	if err != nil || r.Deleted {
		h.bad[r.Key] = fmt.Sprintf("not a configuration: %v", err)
		return
	}
	if c.ID != "" && v.Hub != "" && c.ID != v.Hub {
		h.bad[r.Key] = fmt.Sprintf("id: found %q, of another hub; expected %q", c.ID, v.Hub)
		return
	}
	h.config = &c
	delete(h.bad, r.Key)
}

// Bad returns the keys whose last record is not obeyed, sorted, and why.
func (h *History) Bad() []BadKey {
	bad := badKeys(protocol.PlacementBucket, h.bad)
	seen := set{}
	for _, p := range h.pending {
		if h.bad[p.Key] == "" && !seen[p.Key] && !h.stray(p.Record) {
			seen[p.Key] = true
			bad = append(bad, BadKey{protocol.PlacementBucket, p.Key, "no view commits it"})
		}
	}
	return bad
}

// stray reports whether a record deletes what phub never had: it means nothing, and the stream forgets
// it after a while.
func (h *History) stray(r Record) bool {
	return r.Deleted && r.Key != protocol.ConfigKey && h.entries[r.Key] == nil
}

// BadKey is a key of a bucket that holds something that is not to be obeyed.
type BadKey struct {
	Bucket protocol.Bucket
	Key    string
	Why    string
}

// String returns the bucket, the key and the reason.
func (b BadKey) String() string { return fmt.Sprintf("%s/%s: %s", b.Bucket, b.Key, b.Why) }

func badKeys(b protocol.Bucket, m map[string]string) []BadKey {
	keys := make([]BadKey, 0, len(m))
	for k, why := range m {
		keys = append(keys, BadKey{b, k, why})
	}
	slices.SortFunc(keys, func(x, y BadKey) int { return compare(x.Key, y.Key) })
	return keys
}

func decodeView(r Record) (*protocol.View, error) {
	if r.Deleted {
		return nil, fmt.Errorf("deleted")
	}
	v, err := protocol.DecodeView(r.Value)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func decodeEntry(r Record, v *protocol.View, mine bool) (protocol.Entry, error) {
	if err := protocol.ValidateChild(r.Key); err != nil {
		return protocol.Entry{}, err
	}
	e, err := protocol.DecodeEntry(r.Value)
	switch {
	case err != nil:
		return e, err
	case e.View > v.Number || mine && e.View != v.Number:
		return e, fmt.Errorf("entry of view %d in view %d", e.View, v.Number)
	}
	return e, nil
}

// awaited returns the entries that the next view commits, whatever its number: those that were read back, and whose
// view was missed.
func (h *History) awaited() []protocol.Entry {
	var entries []protocol.Entry
	for _, p := range h.pending {
		if e, err := protocol.DecodeEntry(p.Value); err == nil && p.restored && !p.Deleted {
			entries = append(entries, e)
		}
	}
	return entries
}
