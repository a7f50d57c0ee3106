package worker

import (
	"context"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Transport carries requests to the replicas of this node, over one connection, from its opening to
// its close. Its methods may be called concurrently.
type Transport interface {
	// Serve delivers what arrives to h until the transport is closed. It is called once, first.
	Serve(h Handler) error
	// Open starts to take requests for children, each in its queue group. It returns when the server
	// has registered the interest. What is open stays so, in the group that it has.
	Open(ctx context.Context, children []protocol.Interest) error
	// Close ends to take requests for the children. When it returns without an error, the server sends
	// no more of them, and all that it had sent has been given to Handler.Request.
	Close(ctx context.Context, children []string) error
	// AskRelease asks a node to let go of children. What does not answer this request, or was not signed by the incarnation that
	// it names, is passed over.
	AskRelease(ctx context.Context, node string, r protocol.ReleaseRequest) (protocol.ReleaseAnswer, error)
	// Spread is how long it takes until all servers know of a subscription that this one's own server has registered.
	Spread() time.Duration
	// MaxPayload is the size of the largest reply that NATS carries, in bytes.
	MaxPayload() int
}

// Handler receives what arrives on a Transport. Its methods are called concurrently and never block.
type Handler interface {
	// Request is called for each request, in order for each child.
	Request(r *Incoming)
	// Refused is called when NATS says that it did not take the subscription of a child that was opened. That may be
	// long after Open returned. The child is closed then.
	Refused(child string, err error)
	// Release is called when a successor asks to let go of children, and the incarnation that it names signed that; answer is called once, soon.
	Release(r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer))
}

// Incoming is a request as it arrived.
type Incoming struct {
	Child  string
	Data   []byte
	Header map[string][]string // nil if there are none
	Reply  Replier             // nil if the sender asked for no reply
}

// Replier sends the one reply to a request. If the sender wants it on a subject that is not for answers, none is sent, which
// is no error.
type Replier interface {
	Reply(header map[string][]string, data []byte) error
}
