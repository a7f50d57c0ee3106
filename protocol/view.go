package protocol

import "slices"

// View is one committed state of the hub: who is a member and who coordinates. It is stored under
// ViewKey, as the last message of each commit; its number grows by one or more with each commit.
type View struct {
	V           int         `json:"v"`
	Number      uint64      `json:"view"`
	Coordinator Incarnation `json:"coordinator"`
	Members     []Member    `json:"members"` // sorted by Since, then Node
	Gone        []Departure `json:"gone,omitempty"`
	Reason      string      `json:"reason"` // why this view was committed, for people
	Time        string      `json:"time"`   // wall clock of the coordinator, RFC 3339, for people
	Nonce       string      `json:"nonce"`  // unique for each commit attempt: how a coordinator recognises its own
	// Batch is how many records the commit stored, this one included: those are the ones that directly
	// precede it in the stream. What else stands there was not written by a coordinator.
	Batch int `json:"batch"`
	// Beat is that of a record by which the coordinator lives, and that somebody else's values may have hidden fences of it
	// before: those don't count. 0 if nobody wrote under its key what it did not read. A fence counts whose beat is larger.
	Beat uint64 `json:"beat,omitempty"`
	// Hub is the hub's id: Config.ID.
	Hub string `json:"hub,omitempty"`
	// Successor is set in the last view of a coordinator that resigned, because it drains: by this view nobody coordinates.
	// Whoever commits the next one does, and this member is the first to try.
	Successor Incarnation `json:"successor,omitzero"`
	// Sig is the coordinator's signature of all fields before it; see Keys. It stays the last field.
	Sig string `json:"sig,omitempty"`
}

// Incarnation names one start of a node.
type Incarnation struct {
	Node string `json:"node"`
	ID   string `json:"incarnation"` // a UUID
}

// Member is a node that belongs to a view.
type Member struct {
	Incarnation
	Since    uint64            `json:"since"` // the view that admitted this incarnation
	Labels   map[string]string `json:"labels,omitempty"`
	Capacity int               `json:"capacity,omitempty"` // 0 means 1: its share of load relative to others
	Draining bool              `json:"draining,omitempty"`
	// Kinds are those that it runs, as it announced them; nothing: not known.
	Kinds []string `json:"kinds,omitempty"`
}

// Departure says in which view an incarnation ceased to be a member. It stays in the view until no
// placement entry mentions that incarnation any more, because the epoch of whoever followed it is
// derived from it.
type Departure struct {
	Incarnation
	Since  uint64 `json:"since"`
	Until  uint64 `json:"until"` // the first view without it
	Reason string `json:"reason"`
	// Hung says that its connection was not seen closed: NATS may go on giving it requests.
	Hung bool `json:"hung,omitempty"`
}

// Member returns the member of that name, or nil.
func (v *View) Member(node string) *Member {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Node == node {
			return &v.Members[i]
		}
	}
	return nil
}

// Has reports whether exactly this incarnation is a member.
func (v *View) Has(in Incarnation) bool {
	m := v.Member(in.Node)
	return m != nil && m.ID == in.ID
}

// Resigned reports whether the view's coordinator resigned with it.
func (v *View) Resigned() bool { return v != nil && v.Successor != Incarnation{} }

// LedBy reports whether an incarnation coordinates by the view.
func (v *View) LedBy(in Incarnation) bool { return v != nil && v.Coordinator == in && !v.Resigned() }

// Entry is the placement of one child, stored under the child's name in the placement bucket.
type Entry struct {
	V        int       `json:"v"`
	Replicas []Replica `json:"replicas"` // in promotion order
	Epoch    uint64    `json:"epoch"`    // of the replica that was active when the entry was written
	View     uint64    `json:"view"`     // the view that committed the entry
	Spec     uint64    `json:"spec"`     // revision in the children bucket of the spec that is placed
	// Unchanged is an earlier revision since which the workers of that spec are the same: only what they need not know was
	// changed, or it was written again, because somebody else changed it. 0: Spec itself. See SpecSince.
	Unchanged uint64 `json:"unchanged,omitempty"`
	// Changing is the revision since which the child is being changed to what it is being changed to now; 0: it is not being
	// changed. See Spec.Change.
	Changing uint64 `json:"changing,omitempty"`
	// Group is the number of the queue group in which the child's requests are taken: see
	// Interest.QueueGroup.
	Group uint64 `json:"group,omitempty"`
	// Exclusive is set for a child that may have but one active replica (all but active_active).
	Exclusive bool `json:"exclusive"`
	// After names the nodes that must let go of the child, or cease to be members, before any other
	// node may be active for it.
	After []string `json:"after,omitempty"`
	// Failed lists the nodes on which the replica was given up, and why.
	Failed []Failure `json:"failed,omitempty"`
	// Failing lists the nodes of passive replicas that kept failing, and why: for a time they are not made active while another
	// one can be.
	Failing []Failure `json:"failing,omitempty"`
	// Pinned is the node to which somebody moved the active replica: balance leaves it there. It is
	// forgotten when another node's replica becomes active.
	Pinned string `json:"pinned,omitempty"`
	// Moving is set while the last replica is there to follow the first: one more than wanted is right.
	Moving bool   `json:"moving,omitempty"`
	Reason string `json:"reason,omitempty"` // why it is where it is, for people
}

// SpecSince returns the revision since which the workers of the placed spec are the same: one that was started by it, or by a
// later one, goes on.
func (e *Entry) SpecSince() uint64 {
	if e.Unchanged != 0 {
		return e.Unchanged
	}
	return e.Spec
}

// HasChange reports whether the replica on a node runs what the spec is being changed to.
func (e *Entry) HasChange(node string) bool {
	return slices.ContainsFunc(e.Replicas, func(r Replica) bool { return r.Node == node && r.Changed })
}

// WorkerSince returns the revision since which the worker of the replica on a node is the same.
func (e *Entry) WorkerSince(node string) uint64 {
	if e.HasChange(node) {
		return e.Changing
	}
	return e.SpecSince()
}

// Replica is one replica in an entry.
type Replica struct {
	Node string `json:"node"`
	// Mode is what a reader of the bucket wants to see. phub itself derives it: see Derive.
	Mode Mode `json:"mode"`
	// Since is when it came to this node, by the coordinator's clock, for people: RFC 3339.
	Since string `json:"since,omitempty"`
	// Changed says that it runs what the spec is being changed to: see Spec.Change.
	Changed bool `json:"changed,omitempty"`
}

// Failure says that a node gave a replica up, or that it keeps failing there.
type Failure struct {
	Node  string `json:"node"`
	Error string `json:"error"`
	View  uint64 `json:"view"`
}

// Mode is what a replica is at a moment.
type Mode string

// The modes.
const (
	Active  Mode = "active"
	Passive Mode = "passive"
)
