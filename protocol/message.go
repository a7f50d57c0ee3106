package protocol

// ModeMessage tells that the mode of one replica changed: phub.<hub>.mode.<child>.
type ModeMessage struct {
	Hub    string `json:"hub"`
	Child  string `json:"child"`
	Node   string `json:"node"`
	Mode   Mode   `json:"mode"`
	Epoch  uint64 `json:"epoch"`
	Reason string `json:"reason"`
	Time   string `json:"time"` // RFC 3339 with milliseconds
}

// EventType is the kind of a life-cycle event.
type EventType string

// The events.
const (
	NodeJoined         EventType = "node_joined"
	NodeLeft           EventType = "node_left"
	NodeLost           EventType = "node_lost"
	ChildStarted       EventType = "child_started"
	ChildStopped       EventType = "child_stopped"
	ChildMoved         EventType = "child_moved"
	ReplicaFailed      EventType = "replica_failed"
	CoordinatorChanged EventType = "coordinator_changed"
	BadEntry           EventType = "bad_entry" // a value in a bucket that is none of phub's was found and not obeyed
)

// Event is a life-cycle event: phub.<hub>.event.<type>.<name>.
type Event struct {
	Hub    string    `json:"hub"`
	Type   EventType `json:"type"`
	Node   string    `json:"node,omitempty"`
	Child  string    `json:"child,omitempty"`
	View   uint64    `json:"view"`
	Reason string    `json:"reason,omitempty"`
	Time   string    `json:"time"`
}

// TimeLayout is the layout of times in messages: RFC 3339, UTC, milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z07:00"

// ReleaseRequest is what a successor sends to the node that it follows: let go of these children.
type ReleaseRequest struct {
	V        int       `json:"v"`
	From     string    `json:"from"`        // the node that asks
	ID       string    `json:"incarnation"` // its incarnation, which signs
	Number   uint64    `json:"number"`      // another one for each request of that incarnation
	Children []Release `json:"children"`
}

// Release names a child to let go of, and the view that says so: the node must never again serve it
// by an entry older than that.
type Release struct {
	Child string `json:"child"`
	View  uint64 `json:"view"`
}

// ReleaseAnswer names those of the children that the node serves no more. The successor asks again for
// the others.
type ReleaseAnswer struct {
	V        int      `json:"v"`
	Node     string   `json:"node"`        // the node that answers
	ID       string   `json:"incarnation"` // its incarnation, which signs
	To       string   `json:"to"`          // the incarnation that asked
	Number   uint64   `json:"number"`      // of its request
	Released []string `json:"released"`
}
