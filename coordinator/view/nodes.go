package view

import (
	"bytes"
	"fmt"
	"reflect"
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
	value  []byte // the record as it was stored, or heard
	unread bool   // it is a sign of life, of which nothing else was taken: see lives
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
//
// Also unlike the others it takes live records as what they say, unread, if they are no more than a sign of life (see tame):
// all nodes would have to read the records of all.
type Nodes struct {
	feed
	nodes map[string]*Known
	keys  map[string]uint64
	marks markers
	sure  map[string]uint64 // the last revision of each key that was read, or that this node wrote; what was heard may be later
	bad   map[string]string
	later map[uint64]time.Duration // revisions that arrived behind a hole, and when
	hole  time.Duration            // since when there is one; 0 if there is none
	gap   uint64                   // up to here records may have been missed for good: others have taken their place
	read  uint64                   // up to here all was read: what is heard of that is not news
	stood uint64                   // the largest revision that was read, or that this node wrote
	// contested says that two live records claim one revision.
	contested bool
	authors   Keys                   // say who wrote what
	minor     func(node string) bool // whether nothing rests on a node's record at this moment; nil: something does
	patience  time.Duration          // how long the news of such a node may wait until it is read
}

// holeLast is how long a hole may last: a write's result often arrives before the records of others.
const holeLast = time.Second

// maxLater bounds what is kept behind a hole; what is dropped is read back later.
const maxLater = 10_000

// Missed reports whether records were missed that won't arrive by themselves any more.
func (n *Nodes) Missed(now time.Duration) bool { return n.hole > 0 && now-n.hole > holeLast+n.patience }

// mark notes that a revision arrived.
func (n *Nodes) mark(now time.Duration, revision uint64) {
	if _, known := n.later[revision]; !known && revision > n.last && len(n.later) < maxLater {
		n.later[revision] = now
	}
	n.close(now)
}

// close moves on over what has arrived, to the next hole.
func (n *Nodes) close(now time.Duration) {
	for {
		if _, ok := n.later[n.last+1]; !ok {
			break
		}
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
	return &Nodes{
		nodes: map[string]*Known{}, keys: map[string]uint64{}, sure: map[string]uint64{}, bad: map[string]string{},
		later: map[uint64]time.Duration{},
	}
}

// Get returns what is known of a node, or nil.
func (n *Nodes) Get(node string) *Known { return n.nodes[node] }

// Revision returns the last revision of a node's key, whoever wrote it; 0 if there is none.
func (n *Nodes) Revision(node string) uint64 { return n.keys[node] }

// Sure reports whether a node's last record was read from the stream, or was written by this node.
func (n *Nodes) Sure(node string) bool { return n.keys[node] == n.sure[node] }

// Heard takes a live record, and reports whether it is news. One that is more than a sign of life has to be read.
func (n *Nodes) Heard(now time.Duration, r Record) bool {
	switch {
	case r.Revision <= n.read:
		return false
	case r.Revision <= n.sure[r.Key], n.same(r):
		n.mark(now, r.Revision)
		return false
	case !n.tame(r) && !n.unsafe.ObeyRecords:
		n.wild(now, r)
		return false
	}
	n.mark(now, r.Revision)
	if n.isMinor(r.Key) && !n.unsafe.ObeyRecords {
		n.lives(now, r)
		return false
	}
	n.take(now, r)
	return true
}

// same reports whether a record is the one that is known.
func (n *Nodes) same(r Record) bool {
	k := n.nodes[r.Key]
	return k != nil && r.Revision == n.keys[r.Key] && bytes.Equal(r.Value, k.value)
}

// wild has the bucket read because of a live record that is more than a sign of life.
func (n *Nodes) wild(now time.Duration, r Record) {
	due := now
	if n.isMinor(r.Key) {
		due += n.patience
	}
	n.hinted(r.Revision, due)
	n.contested = n.contested || n.read < r.Revision && r.Revision <= n.last
}

// wants reports whether the bucket is to be read because of what was heard.
func (n *Nodes) wants(now time.Duration) bool { return n.contested || n.feed.wants(now) }

// after returns the revision after which the bucket is to be read. What was heard under a revision that something else had
// been heard under before is not read by reading on: one of the two is forged.
func (n *Nodes) after() uint64 {
	if n.contested {
		return n.read
	}
	return n.last
}

// tame reports whether a live record is a renewal and nothing else: its node goes on as it was. Who forges one makes a node
// that has died seem to live, for as long as that goes on.
func (n *Nodes) tame(r Record) bool {
	k := n.nodes[r.Key]
	if r.Deleted || k == nil || n.bad[r.Key] != "" || !k.Status.Alive() {
		return false
	}
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err != nil || rec.Beat <= k.Beat {
		return false
	}
	author := rec.Author()
	rec.Beat, rec.Children, rec.Active, rec.Sig = k.Beat, k.Children, k.Active, k.Sig
	return reflect.DeepEqual(rec, k.NodeRecord) &&
		(n.isMinor(r.Key) || n.unsafe.BelieveRecords || signedBy(n.authors, author, r.Value) == nil)
}

func (n *Nodes) isMinor(node string) bool { return n.minor != nil && n.minor(node) }

// lives takes a sign of life of a node on which nothing rests. Nothing else is taken of it, so that nobody need check the
// signature: that would be work that grows with the square of the hub. When something rests on the node, its record is read.
func (n *Nodes) lives(now time.Duration, r Record) {
	k := *n.nodes[r.Key]
	k.Seen, k.Renewed, k.value, k.unread = now, now, r.Value, true
	n.keys[r.Key], n.nodes[r.Key] = r.Revision, &k
}

// Stored takes a record from a read of the stream, or from a write of this node's. It reports whether it is news.
func (n *Nodes) Stored(now time.Duration, r Record) bool {
	n.mark(now, r.Revision)
	n.stood = max(n.stood, r.Revision)
	switch {
	case r.Revision < n.sure[r.Key], r.Revision == n.sure[r.Key] && n.Sure(r.Key):
		return false // it was read earlier, or from a server that is behind
	case n.heardBefore(r):
		return n.bornOut(r)
	}
	n.sure[r.Key] = r.Revision
	n.take(now, r)
	return true
}

// heardBefore reports whether a record is the one that was heard last, perhaps under a later revision that was made up.
func (n *Nodes) heardBefore(r Record) bool {
	k := n.nodes[r.Key]
	return k != nil && !n.Sure(r.Key) && r.Revision <= n.keys[r.Key] && bytes.Equal(r.Value, k.value)
}

// bornOut takes from the stream what was heard before: it was seen then. It reports whether it is news.
func (n *Nodes) bornOut(r Record) bool {
	n.sure[r.Key], n.keys[r.Key] = r.Revision, r.Revision
	k := *n.nodes[r.Key]
	if k.unread {
		n.take(k.Seen, r)
		return true
	}
	k.Revision = r.Revision
	n.nodes[r.Key] = &k
	return false
}

// take takes what is under a key now.
func (n *Nodes) take(now time.Duration, r Record) {
	n.keys[r.Key] = r.Revision
	if r.Deleted {
		n.overwritten(now, r.Key)
		n.bad[r.Key] = "deleted"
		if k := n.nodes[r.Key]; k == nil || !k.Status.Alive() {
			delete(n.nodes, r.Key)
			delete(n.bad, r.Key)
		}
		for _, key := range n.marks.add(r.Key, r.Revision, n.keys) {
			delete(n.sure, key)
			delete(n.bad, key)
		}
		return
	}
	rec, err := protocol.DecodeNodeRecord(r.Value)
	if err == nil && rec.Node != r.Key {
		err = fmt.Errorf("node: found %q, expected the key", rec.Node)
	}
	if err == nil {
		err = n.genuine(&rec, r.Value)
	}
	if err != nil {
		n.overwritten(now, r.Key)
		n.bad[r.Key] = err.Error()
		return
	}
	delete(n.bad, r.Key)
	k := &Known{NodeRecord: rec, Revision: r.Revision, Seen: now, Renewed: now, before: now, value: r.Value}
	if old := n.nodes[r.Key]; old != nil {
		k.follow(old, n.unsafe)
	}
	n.nodes[r.Key] = k
}

// follow takes over from the record before what is known of renewals.
func (k *Known) follow(old *Known, u Unsafe) {
	if ends(old, &k.NodeRecord) || u.FenceRenewsNothing && !k.Status.Alive() {
		k.Renewed = old.Renewed
	}
	switch {
	case k.ID == old.ID:
		k.before = old.before
	case !u.MissedFence:
		k.before = k.Seen // a fence was missed, or renewals after the one that is known, and what may have been between
	default:
		k.before = old.Renewed
	}
}

// ends reports whether a record ended the incarnation of an old one without a renewal between the two
// that was missed here: a fence counts on by one from the record that it was written over.
func ends(old *Known, rec *protocol.NodeRecord) bool {
	return old.ID == rec.ID && !rec.Status.Alive() && rec.Beat == old.Beat+1
}

// overwritten notes that something was stored under a key: if it turns out to be nobody's record, the
// one before it may have been a renewal that was missed. That of a fence may have been, too: see ownKey.doubt.
func (n *Nodes) overwritten(now time.Duration, key string) {
	if old := n.nodes[key]; old != nil && old.Status != protocol.Left {
		k := *old
		k.Renewed = now
		n.nodes[key] = &k
	}
}

// Loaded takes that all is read up to the stream's last revision, by a read that began at an instant, when all up to from
// seemed known. It returns the largest revision that was spoken of before that and that the stream does not reach; 0 if
// there is none.
func (n *Nodes) Loaded(now, began time.Duration, from, last uint64) uint64 {
	var never uint64
	switch {
	case last > n.last:
		n.gap = last
	case last < from: // one that was forged seemed to be the next
		never, n.last = from, last
	}
	n.caughtUp(last)
	n.read, n.stood, n.hole = max(n.read, last), max(n.stood, last), 0
	for revision, at := range n.later {
		if at < began {
			never = max(never, revision)
		}
		if revision <= n.last || at < began {
			delete(n.later, revision)
		}
	}
	n.close(now)
	if never <= last {
		return 0
	}
	return never
}

// Bad returns the keys whose last record is not obeyed, sorted, and why.
func (n *Nodes) Bad() []BadKey { return badKeys(protocol.NodesBucket, n.bad) }
