package protocol

import (
	"encoding/json"
	"strconv"
)

// Problem is an error on the wire: an HTTP-like code, what was found and expected, and what to try.
type Problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Try     string `json:"try,omitempty"`
}

// Error returns the message, and what to try.
func (p *Problem) Error() string {
	if p.Try == "" {
		return p.Message
	}
	return p.Message + "; try: " + p.Try
}

// Answer returns the headers and the data of an answer that says what the problem is. That of a node which does not coordinate any more is
// an ordinary CodeHubNotServed for whoever does not know HeaderCause: builds before it had one, and their clients.
func (p *Problem) Answer() (map[string][]string, []byte) {
	sent := *p
	h := map[string][]string{}
	if sent.Code == CodeHandedOn {
		sent.Code = CodeHubNotServed
		h[HeaderCause] = []string{CauseHandedOn}
	}
	h[HeaderErrorCode], h[HeaderError] = []string{strconv.Itoa(sent.Code)}, []string{sent.Error()}
	data, err := json.Marshal(sent)
	if err != nil {
		panic("phub: encode a problem: " + err.Error()) // it holds nothing that JSON can't
	}
	return h, data
}

// StartRequest asks to start children: ctl.start. At most MaxStart in one request.
type StartRequest struct {
	Children []Spec `json:"children"`
	// Wait is for how long the answer may wait for the replicas to run. Default 10 s, at most 5 m.
	Wait Duration `json:"wait,omitempty"`
}

// MaxStart is how many children one StartRequest or StopRequest may name.
const MaxStart = 2000

// StartResponse answers a StartRequest, child by child, in the order of the request.
type StartResponse struct {
	Results []ChildResult `json:"results"`
}

// UpdateRequest asks to change children that exist: ctl.update. At most MaxStart in one request.
type UpdateRequest struct {
	Children []Update `json:"children"`
	Wait     Duration `json:"wait,omitempty"` // until the changes are complete. Default 10 s, at most 5 m
}

// Update is what a child is to be from now on.
type Update struct {
	// Spec is the whole spec; what it leaves open is taken from the hub's defaults, as at a start.
	Spec Spec `json:"spec"`
	// Revision is the revision of the spec that this one was made from: ChildInfo has it. If another stands there, nothing is
	// changed: somebody else was faster. 0: whatever stands there.
	Revision uint64 `json:"revision,omitempty"`
}

// UpdateResponse answers an UpdateRequest, child by child, in the order of the request.
type UpdateResponse struct {
	Results []ChildResult `json:"results"`
}

// StopRequest asks to stop children: ctl.stop.
type StopRequest struct {
	Children []string `json:"children"`
	Wait     Duration `json:"wait,omitempty"`
}

// StopResponse answers a StopRequest, child by child.
type StopResponse struct {
	Results []ChildResult `json:"results"`
}

// MoveRequest asks to move a child's active replica to a node: ctl.move.
type MoveRequest struct {
	Child string   `json:"child"`
	Node  string   `json:"node"`
	Wait  Duration `json:"wait,omitempty"`
}

// DrainRequest asks to have a node drain, or to end that: ctl.drain. It may be repeated to see how far it is.
type DrainRequest struct {
	Node   string `json:"node"`
	Cancel bool   `json:"cancel,omitempty"`
}

// DrainResponse answers a DrainRequest with the state of the node. What was asked for is done once Draining says so: until
// then a coordinator that dies may have forgotten it.
type DrainResponse struct {
	Node     string `json:"node"`
	View     uint64 `json:"view"`
	Draining bool   `json:"draining"`
	Children int    `json:"children"` // of which it has a replica, or has not let go yet
	Active   int    `json:"active"`   // of these, active there
	// Coordinates says that the node has the coordinator's role, and is about to give it away.
	Coordinates bool `json:"coordinates,omitempty"`
	// Stuck are children that can't be moved now, and why: the first of them by name, of StuckInAll.
	Stuck      []StuckChild `json:"stuck"`
	StuckInAll int          `json:"stuck_in_all"`
}

// StuckChild is a child that can't leave a node for now.
type StuckChild struct {
	Child  string `json:"child"`
	Reason string `json:"reason"`
}

// SetRequest asks to change the hub's configuration: ctl.set. It may be repeated until the answer says that it is done.
type SetRequest struct {
	// Config has what is to be changed, and leaves all else open: see Config.With.
	Config Config `json:"config"`
	// Revision is that of the configuration that the change was made from: Config.Revision. If another one stands there, nothing
	// is changed: somebody else was faster. 0: whatever stands there.
	Revision uint64 `json:"revision,omitempty"`
}

// SetResponse answers a SetRequest with the configuration as it is. What was asked for is stored once Done says so: until then a
// coordinator that dies may have forgotten it.
type SetResponse struct {
	Config   Config `json:"config"`
	Revision uint64 `json:"revision"`
	Done     bool   `json:"done"`
}

// ChildResult is what became of one child. Error is nil if all that was asked for is done; Replicas
// says which replicas run where, and what is wrong with those that don't.
type ChildResult struct {
	Child    string         `json:"child"`
	Existed  bool           `json:"existed,omitempty"` // it was there already, with an equal spec
	Replicas []ReplicaState `json:"replicas,omitempty"`
	Omitted  int            `json:"replicas_omitted,omitempty"` // replicas that the answer had no room for
	Error    *Problem       `json:"error,omitempty"`
}

// ReplicaState is one replica as the coordinator knows it.
type ReplicaState struct {
	Node  string `json:"node"`
	Mode  Mode   `json:"mode"`
	Epoch uint64 `json:"epoch"`
	// State is running, starting or failed.
	State State  `json:"state"`
	Error string `json:"error,omitempty"`
	// Changed says that it runs what the child is being changed to.
	Changed bool `json:"changed,omitempty"`
	// Restarts is how often its worker was restarted since the replica came to this node, LastError why it ended last. A node tells
	// of the 64 replicas that ended last; of the others nothing is said.
	Restarts  int    `json:"restarts,omitempty"`
	LastError string `json:"last_error,omitempty"`
	// Since is when the present worker started; of a replica of which no restart is told, when it came to this node. Empty while none
	// runs, or if that is not known.
	Since string `json:"since,omitempty"`
	// Notice is what whoever started the child should know of a replica that runs.
	Notice string `json:"notice,omitempty"`
	// Failing: it was restarted so often that it is not made active for a time, while another one can be.
	Failing bool `json:"failing,omitempty"`
}

// State is how far a replica is.
type State string

// The states of a replica.
const (
	Running  State = "running"
	Starting State = "starting"
	FailedAt State = "failed"
)

// ListRequest asks for children: ctl.ls. Filter is a subject filter over names ("orders.>").
type ListRequest struct {
	Filter string `json:"filter,omitempty"`
	Node   string `json:"node,omitempty"`
	Tag    string `json:"tag,omitempty"`
	// Incomplete: only children with fewer living replicas than they want. Failed: only those that some node gave up, and does
	// not try again yet. With both: only those that are both.
	Incomplete bool   `json:"incomplete,omitempty"`
	Failed     bool   `json:"failed,omitempty"`
	After      string `json:"after,omitempty"` // continue after this name
	Limit      int    `json:"limit,omitempty"` // default and maximum 1000
}

// ListResponse is one page, sorted by name. More says that there are others after the last.
type ListResponse struct {
	Children []ChildInfo `json:"children"`
	Total    int         `json:"total"` // how many match in all
	More     bool        `json:"more,omitempty"`
}

// InfoRequest asks for one child: ctl.info.
type InfoRequest struct {
	Child string `json:"child"`
}

// ChildInfo is all that is known of a child.
type ChildInfo struct {
	Child    string         `json:"child"`
	Spec     Spec           `json:"spec"`
	Revision uint64         `json:"revision,omitempty"` // of the spec: see Update
	Replicas []ReplicaState `json:"replicas"`
	Omitted  int            `json:"replicas_omitted,omitempty"` // replicas that the answer had no room for
	Wanted   int            `json:"wanted"`                     // replicas that the spec asks for
	Epoch    uint64         `json:"epoch"`
	View     uint64         `json:"view"`
	Failed   []Failure      `json:"failed,omitempty"`
	Reason   string         `json:"reason,omitempty"`
}

// NodesRequest asks for nodes: ctl.nodes.
type NodesRequest struct {
	After string `json:"after,omitempty"` // continue after this name
}

// NodesResponse is one page of the nodes, sorted by name. More says that there are others after the last.
type NodesResponse struct {
	View  uint64     `json:"view"`
	Nodes []NodeInfo `json:"nodes"`
	Total int        `json:"total"` // how many there are in all
	More  bool       `json:"more,omitempty"`
}

// NodeInfo is all that is known of a node.
type NodeInfo struct {
	NodeRecord
	Member      bool `json:"member"`
	Coordinator bool `json:"coordinator"`
	// Kinds are those that a member runs; nothing: not known, as of a node of an earlier build.
	Kinds []string `json:"kinds,omitempty"`
}

// MaxNamed is how many names a status has of each kind.
const MaxNamed = 20

// Named names what a status counts: of each kind the first MaxNamed, sorted.
type Named struct {
	NoActive   []string `json:"no_active,omitempty"`
	Incomplete []string `json:"incomplete,omitempty"`
	Failed     []string `json:"failed,omitempty"`
	Failing    []string `json:"failing,omitempty"`
	Lost       []string `json:"lost,omitempty"`
}

// StatusResponse answers ctl.status: the health of the hub.
type StatusResponse struct {
	Hub         string      `json:"hub"`
	Domain      string      `json:"domain,omitempty"` // the JetStream domain of its buckets
	View        uint64      `json:"view"`
	Coordinator Incarnation `json:"coordinator"`
	Nodes       int         `json:"nodes"`
	Children    int         `json:"children"`
	Replicas    int         `json:"replicas"`
	Wanted      int         `json:"wanted"`     // replicas that the specs ask for
	NoActive    int         `json:"no_active"`  // children without a living replica
	Incomplete  int         `json:"incomplete"` // children with fewer replicas than wanted
	Failed      int         `json:"failed"`     // children that some node gave up, and does not try again yet
	Failing     int         `json:"failing"`    // children with a replica that keeps failing
	Lost        int         `json:"lost"`       // nodes that are gone without having left, as long as their records are kept
	Settled     bool        `json:"settled"`    // every node has carried out the current view
	Named       Named       `json:"named"`
	BadEntries  []string    `json:"bad_entries,omitempty"`
	// Refused says how much input was refused, by the word of the Reason. What was not refused is left out.
	Refused map[string]Refused `json:"refused,omitempty"`
	// Trouble says what NATS refuses nodes, or does not answer, in NATS's own words, each with the nodes' names; at most 20.
	Trouble []string `json:"trouble,omitempty"`
	Config  Config   `json:"config"`
}
