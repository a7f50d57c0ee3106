package protocol

import "slices"

// NodeRecord is what a node keeps under its name in the nodes bucket: its shared heartbeat, and one of
// the two keepers of its lease.
type NodeRecord struct {
	V int `json:"v"`
	Incarnation
	Status   Status            `json:"status"`
	Labels   map[string]string `json:"labels,omitempty"`
	Capacity int               `json:"capacity,omitempty"`
	Children int               `json:"children"` // replicas on it
	Active   int               `json:"active"`   // active ones among them
	Version  string            `json:"version,omitempty"`
	Started  string            `json:"started"` // RFC 3339
	Lease    Duration          `json:"lease"`   // for how long the writer trusts this heartbeat, at most
	Beat     uint64            `json:"beat"`    // grows with each write of this incarnation
	Conn     Conn              `json:"conn"`    // the connection over which all of its traffic goes
	Reason   string            `json:"reason,omitempty"`
	By       string            `json:"by,omitempty"`     // who wrote it, if another node fenced this one
	Fencer   string            `json:"fencer,omitempty"` // that node's incarnation
	// Generation orders the incarnations of a name: a later one has a higher number, by the wall clock in
	// milliseconds or, if that is behind, one above the number of the record that it took the name over from.
	Generation uint64 `json:"generation,omitempty"`
	// Withdrew says of whom this node expects nothing any more, as the coordinator; see Withdrawal.
	Withdrew Withdrawal `json:"withdrew,omitzero"`
	// Hub is the hub's id, if its writer knows it: Config.ID.
	Hub string `json:"hub,omitempty"`
	// Sig is the author's signature of all fields before it; see Keys. It stays the last field.
	Sig string `json:"sig,omitempty"`
}

// MaxGeneration is the largest Generation.
const MaxGeneration = 1 << 53

// Withdrawal is a member's word that an incarnation which coordinates has not answered it for a whole
// lease, and that until a view after View it will not help it to keep its authority.
type Withdrawal struct {
	ID   string `json:"incarnation"`
	View uint64 `json:"view"`
}

// Status is what a node's record says of it.
type Status string

// The statuses.
const (
	Up       Status = "up"
	Draining Status = "draining"
	Lost     Status = "lost" // fenced: no write of this incarnation is accepted any more
	Left     Status = "left" // it left in order
)

// Alive reports whether a node with that status may still renew its lease.
func (s Status) Alive() bool { return s == Up || s == Draining }

// Conn names a connection to NATS for good: a server's id is new with each of its starts, and it never
// gives a client id twice.
type Conn struct {
	Server string `json:"server"` // the server's id
	Client uint64 `json:"client"` // the client id at that server
}

// Beat is a heartbeat, a request to the coordinator.
type Beat struct {
	V int `json:"v"`
	Incarnation
	// Number grows with each heartbeat of an incarnation. The coordinator takes none that is not above the last one that it took.
	Number   uint64            `json:"number"`
	Conn     Conn              `json:"conn"`
	Status   Status            `json:"status"` // up, draining, or left: asks to be let go
	Labels   map[string]string `json:"labels,omitempty"`
	Capacity int               `json:"capacity,omitempty"`
	Kinds    []string          `json:"kinds,omitempty"` // that it runs, sorted; see AnnouncedKinds. Nothing: not known
	// View is the newest view that the node follows. A coordinator takes no heartbeat by a view from before its time: it may
	// have been sent to a predecessor, and be sent again by somebody else.
	View uint64 `json:"view"`
	// Confirms is the coordinator's connection as this node knows it: it will not take the closing of an
	// earlier one as the coordinator's end.
	Confirms Conn   `json:"confirms"`
	Pledge   Pledge `json:"pledge,omitzero"`
	// Hub is the id of the hub that the node follows, empty if it follows none yet; Domain is the JetStream domain of its buckets.
	Hub    string `json:"hub,omitempty"`
	Domain string `json:"domain,omitempty"`
	Report Report `json:"report"`
}

// Pledge is a member's word that an incarnation which coordinates answered its heartbeat of that
// number, and that it will not help to replace it until a lease after the answer arrived.
type Pledge struct {
	ID     string `json:"incarnation"`
	Number uint64 `json:"number"`
}

// Report is what a node says of its replicas.
type Report struct {
	// Settled is the newest view all of whose consequences for this node are carried out, but for the
	// children listed in Waiting and Failed: its replicas run, those taken from it serve no more.
	Settled uint64 `json:"settled"`
	// Waiting lists children that are not settled yet. At most MaxReported; Settled stays back instead.
	Waiting []string `json:"waiting,omitempty"`
	// Failed lists replicas that were given up or ended for good. At most MaxReported, the oldest first; they may be of
	// views after Settled, and those that are left out follow when these have been taken from the node.
	Failed   []Failed `json:"failed,omitempty"`
	Children int      `json:"children"`
	Active   int      `json:"active"`
	// Restarted has the replicas whose workers were restarted since they came to this node: those that ended last, at most
	// MaxRestarted, sorted by name.
	Restarted []Restarted `json:"restarted,omitempty"`
	// Notices says what is odd about replicas that run: of those that started last, at most MaxNotices, sorted by name.
	Notices []Notice `json:"notices,omitempty"`
	// Refused counts the input that the node refused since its process began.
	Refused RefusedCounts `json:"refused,omitzero"`
	// Trouble is what NATS refuses the node, or does not answer, in NATS's own words. At most MaxTrouble texts.
	Trouble []string `json:"trouble,omitempty"`
}

// MaxTrouble is how many texts of trouble a node reports at most: one for each bucket that it can't read, or can't write to. One of them
// may be of another hub of the name.
const MaxTrouble = 6

// AlsoWaiting returns r with children in its Waiting that it does not know of. If the list has no room for them, nothing counts
// as settled.
func (r Report) AlsoWaiting(children []string) Report {
	if len(children) == 0 {
		return r
	}
	if len(r.Waiting)+len(children) > MaxReported {
		r.Settled = 0
		return r
	}
	r.Waiting = append(slices.Clip(r.Waiting), children...)
	slices.Sort(r.Waiting)
	r.Waiting = slices.Compact(r.Waiting)
	return r
}

// MaxReported bounds the lists of one Report.
const MaxReported = 500

// MaxRestarted bounds the restarted replicas in one Report, and MaxRestartError the text of each, in bytes.
const (
	MaxRestarted    = 64
	MaxRestartError = 256
)

// Restarted says how often a replica's worker was restarted, why the last one ended, and since when the present one runs.
type Restarted struct {
	Child    string `json:"child"`
	Restarts int    `json:"restarts"`
	Error    string `json:"error,omitempty"` // empty if it ended without one
	Since    string `json:"since,omitempty"` // RFC 3339, by the node's clock; empty while none runs
}

// MaxNotices bounds the notices in one Report, and MaxNotice the text of each, in bytes.
const (
	MaxNotices = 64
	MaxNotice  = 256
)

// Notice is something about a replica that works, and that whoever started it should know.
type Notice struct {
	Child string `json:"child"`
	Text  string `json:"text"`
}

// Failed says that a replica does not run and will not be restarted by its node.
type Failed struct {
	Child string `json:"child"`
	View  uint64 `json:"view"` // of the entry under which it ran
	Error string `json:"error,omitempty"`
	Ended bool   `json:"ended,omitempty"` // it ended as its restart policy allows: the child is to be stopped
}

// BeatAnswer is the coordinator's answer. Accepted renews the lease, counted from before the beat was
// sent.
type BeatAnswer struct {
	V           int         `json:"v"`
	Coordinator Incarnation `json:"coordinator"` // who answers, and signs
	To          string      `json:"to"`          // the incarnation that asked
	Number      uint64      `json:"number"`      // of its heartbeat
	Conn        Conn        `json:"conn"`        // the coordinator's connection
	Accepted    bool        `json:"accepted"`
	View        uint64      `json:"view"`     // the current view
	Revision    uint64      `json:"revision"` // the last revision of the placement bucket that it knows
	Specs       uint64      `json:"specs"`    // the same of the children bucket
	// Since is the view that admitted the node, as the coordinator knows it: a lease is for that membership.
	Since uint64 `json:"since,omitempty"`
	// Record is up to which revision the coordinator has read what is under the node's key: if it accepts the heartbeat, no
	// fence before that counts.
	Record  uint64  `json:"record,omitempty"`
	Refused Refusal `json:"refused,omitempty"` // why it is not accepted
	Detail  string  `json:"detail,omitempty"`
	Hub     string  `json:"hub,omitempty"`    // the hub's id
	Domain  string  `json:"domain,omitempty"` // the JetStream domain of its buckets
	Holder  string  `json:"holder,omitempty"` // the incarnation that has the name, if it is taken
	Stuck   int     `json:"stuck,omitempty"`  // if the node drains: how many of its children nobody can take now
}

// Refusal is why a heartbeat is not accepted.
type Refusal string

// The refusals.
const (
	RefusedFenced Refusal = "fenced" // this incarnation was removed: join again as a new one
	RefusedTaken  Refusal = "taken"  // a living node has this name
	RefusedWait   Refusal = "wait"   // not yet: being admitted, or the coordinator can't act
	RefusedLeft   Refusal = "left"   // the node asked to leave, and has
	RefusedHub    Refusal = "hub"    // it is none of this hub's nodes: another one has that name
	RefusedConfig Refusal = "config" // something in the request can't be accepted; Detail says what
)
