package sim

import (
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// Unsafe switches safety rules off, to show that a run finds out: in the machines, and here in what
// the loops, the adapter and NATS do for them.
type Unsafe struct {
	View    view.Unsafe
	Replica replica.Unsafe

	NoCompareViews   bool // the view is stored whatever stands there
	NoCompareEntries bool // so are entries,
	NoCompareSpecs   bool // specs,
	NoCompareRecords bool // and the nodes' records
	AnyServer        bool // any server's word on a connection counts, not only of the one that had it
	SelfReconnect    bool // a client reconnects by itself, and the node hears nothing of it
	ReleaseUntrusted bool // a node that does not trust itself answers that it let go
	ReleaseUnheard   bool // a node lets go by a view that it does not follow yet
	ReleaseServing   bool // a node answers that it let go before it has finished
	BelieveBeats     bool // a heartbeat counts whoever signed it
	BelieveAnswers   bool // so does the answer to one,
	BelieveReleases  bool // and word that a node let go
	OldAnswers       bool // an answer counts for another heartbeat than the one that it was given to
	OldReleases      bool // so does word that a node let go, for another request
	AnyoneReleases   bool // whoever has a node's name may ask it to let go, or say that it did, not the member alone
	WorkUntrusted    bool // active work takes its time to end also when its node does not trust itself any more
}

// compares reports whether a write to a bucket is a compare-and-set.
func (u *Unsafe) compares(b protocol.Bucket, key string) bool {
	switch {
	case b == protocol.NodesBucket:
		return !u.NoCompareRecords
	case b == protocol.ChildrenBucket:
		return !u.NoCompareSpecs
	case key == protocol.ViewKey:
		return !u.NoCompareViews
	}
	return !u.NoCompareEntries
}
