package coordinator

import (
	"context"
	"errors"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Errors of the ports. All others mean that the outcome is unknown.
var (
	// ErrConflict is returned when a compare-and-set was refused: nothing was stored.
	ErrConflict = errors.New("phub: stored revision differs from the expected one")
	// ErrRejected is returned when NATS says that it does not do what was asked for, and why; whether some of a batch is
	// stored nevertheless is unknown.
	ErrRejected = errors.New("phub: rejected by NATS")
	// ErrNoResponders is returned when nobody listens on a request's subject: it was not received.
	ErrNoResponders = errors.New("phub: nobody listens")
	// ErrClosed is returned when the session's connection is closed.
	ErrClosed = errors.New("phub: connection closed")
)

// Session is one connection of this node to NATS, from its opening to its close; it never reconnects.
// All methods may be called concurrently. Each takes a context and returns when that ends.
type Session interface {
	Store
	Peers
	Servers
	// Conn names the connection.
	Conn() protocol.Conn
	// Domain returns the JetStream domain of the buckets; "" if it is not known, or there is none.
	Domain() string
	// Serve delivers what arrives to h, until the session ends, and returns when the server has
	// registered the interest. The coordinator calls it once, first.
	Serve(ctx context.Context, h Handler) error
	// Lead starts (or ends) to listen to what only the coordinator hears: heartbeats and relayed
	// control requests. It returns when the server has registered it.
	Lead(ctx context.Context, on bool) error
	// Done is closed when the connection is closed, for whatever reason.
	Done() <-chan struct{}
}

// Transferable is a Session that hears ahead that its server is going to close it, and can have another one take its place.
type Transferable interface {
	Session
	// Ending is closed when the server is going to close the connection.
	Ending() <-chan struct{}
	// Beside opens a second session of the same node, at another server if there is one, and has it deliver what arrives to h, as
	// Serve does. No request reaches the running side over it before Carry. The end of either is that of both, until Part.
	Beside(ctx context.Context, h Handler) (Session, error)
	// Carry has the running side take its requests over the session that Beside opened, and returns when none arrives over
	// this one any more. At each instant one of the two takes them.
	Carry(ctx context.Context) error
	// Part says that the session that Beside opened goes on without this one. It returns at once.
	Part()
	// Retire ends this session after Part: at once if ctx ends, otherwise when those who asked over it have their answers, if that
	// does not take long.
	Retire(ctx context.Context)
}

// Store is the hub's buckets. Every conditional write is decided by the stream's leader.
type Store interface {
	// Commit stores writes in the placement bucket in the order given, all or none. At most
	// view.MaxCommit writes. It returns the revision of the last.
	Commit(ctx context.Context, writes []view.Write) (uint64, error)
	// WriteSpecs does the same in the children bucket.
	WriteSpecs(ctx context.Context, writes []view.Write) (uint64, error)
	// WriteNode stores a node's record if the key's last revision is last, and returns the new one.
	WriteNode(ctx context.Context, rec protocol.NodeRecord, last uint64) (uint64, error)
	// DropNode takes a node's record away if the key's last revision is last, and returns the marker's.
	DropNode(ctx context.Context, node string, last uint64) (uint64, error)
	// ReadKey returns the last record under key, read from the stream's leader. A key that was never
	// written, or of which nothing is left, gives a zero Record and no error.
	ReadKey(ctx context.Context, b protocol.Bucket, key string) (view.Record, error)
	// Since returns what the bucket holds after a revision, in order of revision, and the last
	// revision of its stream at the moment of reading (at least that of the last record returned; of the nodes bucket, records
	// that were stored later may be among them). Of each key that was written after that revision, and before the call, a
	// record is among them.
	Since(ctx context.Context, b protocol.Bucket, after uint64) ([]view.Record, uint64, error)
}

// Peers are the other nodes, and whoever watches.
type Peers interface {
	// Beat sends a heartbeat to the coordinator. ErrNoResponders if there is none. What does not answer this heartbeat, or was
	// not signed by the coordinator that it names, is passed over; so is what another hub answers, unless nobody else does.
	Beat(ctx context.Context, b protocol.Beat) (protocol.BeatAnswer, error)
	// Probe asks NATS whether anybody listens for a node, and returns at once. If nobody does,
	// Handler.NoInterest is called.
	Probe(node string) error
	// Wake asks a node for a heartbeat now, and doesn't wait for it.
	Wake(node string) error
	// StandIn starts or ends to answer requests to children that have no active replica, with
	// view.StandInCode and view.StandInText, in the queue group of their replicas. It returns at once.
	StandIn(children []protocol.Interest, on bool) error
	// Announce publishes messages in order, and doesn't wait for anybody. One that is too large is left out.
	Announce(msgs []Message) error
}

// Servers are the NATS servers, asked about connections.
type Servers interface {
	// Ping returns when this connection's own server has answered a PING that was sent after the call.
	Ping(ctx context.Context) error
	// Connected asks the server of a connection whether it is still open. Closed is proof: a server that says so in passing,
	// of a connection that is open, must not be believed.
	Connected(ctx context.Context, c protocol.Conn) (view.Evidence, error)
	// Kick has a connection closed by its server. ErrConflict if that doesn't say that it is open and
	// this hub's node's, ErrNoResponders if the hub has no access to that: nothing was closed then.
	Kick(ctx context.Context, node string, c protocol.Conn) error
}

// Message is one message to announce.
type Message struct {
	Subject string
	Data    []byte
}

// Handler receives what arrives. Its methods are called concurrently, return soon, and never after
// the session's Done is closed and Serve's context has ended.
type Handler interface {
	// Record is called for each record that a bucket's stream stores, in order for each bucket; and for each message
	// that looks like one: anybody may have sent it.
	Record(r view.Record)
	// Missed is called when live records of a bucket were lost because they came faster than they were taken.
	Missed(b protocol.Bucket)
	// Beat is called for each heartbeat that the incarnation which it names signed; answer may be called later, once, from any goroutine.
	Beat(b protocol.Beat, answer func(protocol.BeatAnswer))
	// Control is called for each relayed control request; answer as with Beat. hub is the id of the hub that it is for, by the node
	// that relays it; it may be empty. data is JSON from
	// anyone. The answer's data is JSON; problem, if not nil, is sent as a service error with it.
	Control(verb, hub string, data []byte, answer func(data []byte, problem *protocol.Problem))
	// NoInterest is called when a probe found nobody listening.
	NoInterest(node string)
	// Woken is called when the coordinator asks this node for a heartbeat now.
	Woken()
	// ConnReported is called when a connection of one of the hub's nodes is reported closed. Anybody may
	// have sent the report.
	ConnReported(c protocol.Conn)
	// Undecodable is called for a message that is not what its subject says, or that its sender did not sign.
	Undecodable(subject string, err error)
}

// Local is the running side of this node. Its methods return soon and are called from one goroutine.
type Local interface {
	// Members tells who this node is, and who are the members of the view that it follows, before what that view means is
	// assigned. Who is no member asks for nothing and answers nothing.
	Members(self protocol.Incarnation, members []protocol.Incarnation)
	// Assign tells what view, and the entries that it committed, mean for this node's replicas.
	// Children that are not named keep what they were told last. With reset, all that was told before
	// is void: replicas that are not named are to be stopped.
	Assign(view uint64, changes []protocol.Assignment, reset bool)
	// Trust gives the instant, on the clock of Config.Now, until which this node may serve. Zero: not
	// at all.
	Trust(until int64, reason string)
	// Report returns what is to be said of the replicas in the next heartbeat.
	Report() protocol.Report
}
