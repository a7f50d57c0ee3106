package protocol

import (
	"strconv"
	"strings"
)

// Subjects of one hub. Those under "int." are phub's own and may change between versions; all others
// are part of the contract.
//
//	phub.<hub>.req.<child>          requests to the active replica
//	phub.<hub>.cmd.<child>          durable requests (reserved)
//	phub.<hub>.mode.<child>         redundancy-mode messages
//	phub.<hub>.event.<type>.<name>  life-cycle events
//	phub.<hub>.ctl.<verb>           control requests
//	phub.<hub>.int.coord.<verb>     nodes to the coordinator
//	phub.<hub>.int.node.<node>.…    anyone to one node
//	phub.<hub>.int.kv.<bucket>.…    what a bucket stored, republished by its stream
type Subjects struct{ prefix string }

// SubjectsOf returns the subjects of a hub, whose name must be valid.
func SubjectsOf(hub string) Subjects { return Subjects{prefixToken + "." + hub + "."} }

// prefixToken is the first token of all subjects of all hubs.
const prefixToken = "phub"

// Interest is what takes requests: a child, and the number of the queue group.
type Interest struct {
	Child string
	Group uint64
}

// QueueGroup returns the queue group of subscriptions that take requests. Replicas that are active
// together, and an active one with its successor, are in one group: each request reaches one of them,
// so a handover loses and doubles none. After a node that hangs was removed the group is another one,
// because NATS goes on giving that node's open connection its share of the old group.
func (i Interest) QueueGroup() string { return "phub-" + strconv.FormatUint(i.Group, 10) }

// Control verbs: phub.<hub>.ctl.<verb>.
const (
	VerbStart  = "start"
	VerbUpdate = "update"
	VerbStop   = "stop"
	VerbMove   = "move"
	VerbDrain  = "drain"
	VerbSet    = "set"
	VerbList   = "ls"
	VerbInfo   = "info"
	VerbNodes  = "nodes"
	VerbStatus = "status"
)

// Request returns the subject of requests to a child.
func (s Subjects) Request(child string) string { return s.prefix + "req." + child }

// ChildOfRequest returns the child of a request's subject, or "" if it is none of this hub.
func (s Subjects) ChildOfRequest(subject string) string {
	child, ok := strings.CutPrefix(subject, s.prefix+"req.")
	if !ok {
		return ""
	}
	return child
}

// Mode returns the subject of a child's mode messages.
func (s Subjects) Mode(child string) string { return s.prefix + "mode." + child }

// Event returns the subject of an event; name is the node or child that it is about.
func (s Subjects) Event(typ EventType, name string) string {
	return s.prefix + "event." + string(typ) + "." + name
}

// Control returns the subject of a control verb.
func (s Subjects) Control(verb string) string { return s.prefix + "ctl." + verb }

// Watch returns the filter of everything that a person may want to see go by: modes and events.
func (s Subjects) Watch() []string { return []string{s.prefix + "mode.>", s.prefix + "event.>"} }

// Internal returns the filter of all subjects that are phub's own.
func (s Subjects) Internal() string { return s.prefix + "int.>" }

// ToCoordinator returns the filter of all that nodes send to the coordinator.
func (s Subjects) ToCoordinator() string { return s.prefix + "int.coord.>" }

// ToNodes returns the filter of all that is sent to one node.
func (s Subjects) ToNodes() string { return s.prefix + "int.node.>" }

// Beat returns the subject of heartbeats, served by the coordinator.
func (s Subjects) Beat() string { return s.prefix + "int.coord.beat" }

// Relay returns the subject by which a node hands a control request on to the coordinator.
func (s Subjects) Relay(verb string) string { return s.prefix + "int.coord.ctl." + verb }

// RelayAll returns the filter of all relayed control requests.
func (s Subjects) RelayAll() string { return s.prefix + "int.coord.ctl.*" }

// Probe returns the subject to which a living node listens and never answers: a request to it that
// comes back with "no responders" says that the node's connection is gone.
func (s Subjects) Probe(node string) string { return s.prefix + "int.node." + node + ".probe" }

// Wake returns the subject by which a coordinator that has a new connection asks a node for a
// heartbeat now.
func (s Subjects) Wake(node string) string { return s.prefix + "int.node." + node + ".wake" }

// Release returns the subject by which a successor asks a node to let go of children.
func (s Subjects) Release(node string) string { return s.prefix + "int.node." + node + ".release" }

// DisconnectSubject is where the servers report closed connections of the hub's account, if that
// imports $SYS.ACCOUNT.<account>.DISCONNECT from the system account. No hub's name begins with "_".
const DisconnectSubject = "phub._sys.disconnect"

// KickSubject is where a server takes the order to close a connection, if the hub's account imports
// $SYS.REQ.SERVER.*.KICK from the system account.
func KickSubject(server string) string { return "phub._sys.kick." + server }

// Stored returns the subject on which the stream of a bucket repeats what it stored under key.
// A key of ">" gives the filter of all.
func (s Subjects) Stored(b Bucket, key string) string {
	return s.prefix + "int.kv." + string(b) + "." + key
}

// HubInboxes returns the first token of all inboxes of a hub: a node may answer to those, if it has the permissions
// that docs/wire.md shows.
func HubInboxes(hub string) string { return "_INBOX_" + hub }

// InboxPrefix returns what inboxes begin with that only who may read.
func InboxPrefix(hub, who string) string { return HubInboxes(hub) + "." + who }

// NodeInboxes returns what the inboxes of a hub's nodes begin with, if they are given no other prefix.
func NodeInboxes(hub string) string { return InboxPrefix(hub, "node") }

// Bucket is one of a hub's key-value buckets.
type Bucket string

// The buckets of a hub.
const (
	NodesBucket     Bucket = "nodes"
	ChildrenBucket  Bucket = "children"
	PlacementBucket Bucket = "placement"
)

// Buckets are all buckets of a hub, in the order in which they are made.
var Buckets = [...]Bucket{NodesBucket, ChildrenBucket, PlacementBucket}

// Name returns the bucket's name in NATS: phub_<hub>_<bucket>.
func (b Bucket) Name(hub string) string { return "phub_" + hub + "_" + string(b) }

// Reserved keys.
const (
	// ViewKey holds the current View in the placement bucket.
	ViewKey = "_view"
	// ConfigKey holds the hub's Config in the placement bucket.
	ConfigKey = "_config"
)

// Headers of requests and replies.
const (
	HeaderNode  = "Phub-Node"  // the node that answered
	HeaderHub   = "Phub-Hub"   // the id of its hub; in control requests that a node hands on, that they are for
	HeaderEpoch = "Phub-Epoch" // the epoch in which it answered
	// HeaderErrorCode and HeaderError are those of NATS services.
	HeaderErrorCode = "Nats-Service-Error-Code"
	HeaderError     = "Nats-Service-Error"
	// HeaderCause is in errors that phub answers with for a replica, and tells them from errors of the
	// handler with the same code. Its value is one of the Cause constants.
	HeaderCause = "Phub-Cause"
)

// Values of HeaderCause.
const (
	CauseNotActive = "not_active" // 503: the replica took nothing
	CauseCancelled = "cancelled"  // 504: it lost its role while it handled the request
	CauseLimit     = "limit"      // 504: the handler ran longer than the child's handler_limit
	CausePanic     = "panic"      // 502: the handler panicked
	CauseReply     = "reply"      // 413 and 500: what the handler replied can't be sent
	CauseHandedOn  = "handed_on"  // 507, between nodes: the coordinator hands its role on, and did nothing
)

// IsReplyHeader reports whether a worker may set the header name in a reply: it is not one of phub's, nor one
// by which NATS clients know errors, nor one that has a server publish elsewhere (Nats-Trace-Dest) with the node's
// rights. Upper and lower case count as the same.
func IsReplyHeader(name string) bool {
	l := strings.ToLower(name)
	return l != "status" && l != "description" && !strings.HasPrefix(l, "phub-") &&
		!strings.HasPrefix(l, strings.ToLower(HeaderError)) && !strings.HasPrefix(l, "nats-trace-")
}

// Codes in HeaderErrorCode that phub itself sends. A handler may send others.
const (
	CodeBadRequest   = 400 // the request was malformed; nothing was done
	CodeNotFound     = 404 // no such child, node or verb
	CodeConflict     = 409 // it exists and differs, or is in the wrong state
	CodeTooLarge     = 413 // the handler's reply was larger than NATS carries
	CodeBusy         = 429 // as many requests of this verb are under way as may be; nothing was done, try again
	CodeHandler      = 500 // the handler returned an error
	CodePanic        = 502 // the handler panicked; the replica is being restarted
	CodeNotActive    = 503 // this replica may not serve at this moment; nothing was done, try again
	CodeCancelled    = 504 // the replica lost its role while it handled the request; its effect is unknown
	CodeHubNotServed = 507 // no coordinator answers at this moment; nothing is known, try again
	CodeHandedOn     = 509 // not this coordinator, or not now; nothing was done. It is sent as CodeHubNotServed with CauseHandedOn: the node that was asked asks again
	CodeNotStored    = 508 // NATS refuses what the hub wants to store, or has not answered for 10 s; the message has its reason
)
