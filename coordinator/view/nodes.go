package view

import (
	"fmt"
	"maps"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Known is a node's record as this node last saw it.
type Known struct {
	protocol.NodeRecord
	Revision uint64
	// Seen is when the record was seen here first, on this node's clock: never before the instant at
	// which its writer sent it.
	Seen time.Duration
	// Renewed is Seen of the last record by which this incarnation itself renewed its lease: a fence
	// is none.
	Renewed time.Duration
	// before is the same of the incarnations that had the name earlier: they renewed nothing after it.
	before time.Duration
}

// renewed returns an instant after which an incarnation of this name renewed nothing.
func (k *Known) renewed(in protocol.Incarnation) time.Duration {
	if k.ID == in.ID {
		return k.Renewed
	}
	return k.before
}

// Nodes follows the nodes bucket. Unlike the others it may miss records for a while: every decision that
// rests on it is made by a compare-and-set on the revision that it knows.
type Nodes struct {
	feed
	nodes map[string]*Known
	keys  map[string]uint64
	bad   map[string]string
	later map[uint64]bool // revisions that arrived behind a hole
	hole  time.Duration   // since when there is one; 0 if there is none
	gap   uint64          // up to here records may have been missed for good: others have taken their place
}

// holeLast is how long a hole may last: a write's result often arrives before the records of others.
const holeLast = time.Second

// Missed reports whether records were missed that won't arrive by themselves any more.
func (n *Nodes) Missed(now time.Duration) bool { return n.hole > 0 && now-n.hole > holeLast }

// mark notes that a revision arrived.
func (n *Nodes) mark(now time.Duration, revision uint64) {
	if revision > n.last && len(n.later) < maxAhead {
		n.later[revision] = true
	}
	n.close(now)
}

// close moves on over what has arrived, to the next hole.
func (n *Nodes) close(now time.Duration) {
	for n.later[n.last+1] {
		delete(n.later, n.last+1)
		n.last++
	}
	switch {
	case len(n.later) == 0:
		n.hole = 0
	case n.hole == 0:
		n.hole = max(now, 1)
	}
}

// NewNodes returns a follower that knows nothing yet.
func NewNodes() *Nodes {
	return &Nodes{nodes: map[string]*Known{}, keys: map[string]uint64{}, bad: map[string]string{}, later: map[uint64]bool{}}
}

// Get returns what is known of a node, or nil.
func (n *Nodes) Get(node string) *Known { return n.nodes[node] }

// Revision returns the last revision of a node's key, whoever wrote it; 0 if there is none.
func (n *Nodes) Revision(node string) uint64 { return n.keys[node] }

// Stored takes a record from the live feed, from a read of one key, or from a write of this node's.
// It reports whether it is news.
func (n *Nodes) Stored(now time.Duration, r Record) bool {
	n.mark(now, r.Revision)
	if r.Revision <= n.keys[r.Key] {
		return false
	}
	n.keys[r.Key] = r.Revision
	if r.Deleted {
		n.overwritten(now, r.Key)
		n.bad[r.Key] = "deleted"
		if k := n.nodes[r.Key]; k == nil || !k.Status.Alive() {
			delete(n.nodes, r.Key)
			delete(n.bad, r.Key)
		}
		return true
	}
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err == nil && rec.Node != r.Key {
		err = fmt.Errorf("node: found %q, expected the key", rec.Node)
	}
	if err != nil {
		n.overwritten(now, r.Key)
		n.bad[r.Key] = err.Error()
		return true
	}
	delete(n.bad, r.Key)
	k := &Known{NodeRecord: rec, Revision: r.Revision, Seen: now, Renewed: now, before: now}
	if old := n.nodes[r.Key]; old != nil {
		k.follow(old, n.unsafe)
	}
	n.nodes[r.Key] = k
	return true
}

// follow takes over from the record before what is known of renewals.
func (k *Known) follow(old *Known, u Unsafe) {
	if ends(old, &k.NodeRecord) || u.FenceRenewsNothing && !k.Status.Alive() {
		k.Renewed = old.Renewed
	}
	switch {
	case k.ID == old.ID:
		k.before = old.before
	case old.Status.Alive() && !u.MissedFence:
		k.before = k.Seen // the fence was missed, and renewals before it may have been
	default:
		k.before = old.Renewed
	}
}

// ends reports whether a record ended the incarnation of an old one without a renewal between the two
// that was missed here: a fence counts on by one from the record that it was written over.
func ends(old *Known, rec *protocol.NodeRecord) bool {
	return old.ID == rec.ID && !rec.Status.Alive() && (!old.Status.Alive() || rec.Beat == old.Beat+1)
}

// overwritten notes that something was stored under a key: if it turns out to be nobody's record, the
// one before it may have been a renewal that was missed.
func (n *Nodes) overwritten(now time.Duration, key string) {
	if old := n.nodes[key]; old != nil && old.Status.Alive() {
		k := *old
		k.Renewed = now
		n.nodes[key] = &k
	}
}

// Loaded takes what was read back after Last().
func (n *Nodes) Loaded(now time.Duration, records []Record, last uint64) {
	for _, r := range records {
		n.Stored(now, r)
	}
	if last > n.last {
		n.gap = last
	}
	n.loaded, n.last, n.hole = true, max(n.last, last), 0
	maps.DeleteFunc(n.later, func(revision uint64, _ bool) bool { return revision <= n.last })
	n.close(now)
}

// Bad returns the keys whose last record is not obeyed, sorted, and why.
func (n *Nodes) Bad() []BadKey { return badKeys(protocol.NodesBucket, n.bad) }
