package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// Now is the time of a step: on the node's monotonic clock, and on its wall clock, which people read,
// and by which a new coordinator's numbers begin.
type Now struct {
	Mono time.Duration
	Wall time.Time
}

// Event is something that happened: Step takes one at a time.
type Event interface {
	String() string // for people who read tests
	event()
}

// Outcome is how an operation ended.
type Outcome int

// The outcomes. OutcomeUnknown means that it may take effect still, or never. Rejected means that NATS said why it does not do
// it; whether some of a batch is stored nevertheless is as unknown.
const (
	Done Outcome = iota
	Conflict
	NobodyListens
	OutcomeUnknown
	Rejected
)

// Evidence is what the server of a connection says of it.
type Evidence int

// The evidence. Only Closed proves something: over that connection nothing more can be received or
// answered.
const (
	Unknown Evidence = iota // the server did not answer
	Open
	Closed
)

// MaxHeard is the largest value of a live record that is looked at, in bytes: a longer one is read from the stream.
const MaxHeard = 16 << 10

type (
	// Tick says that time passed. When the next one is due says Machine.Rest; more do no harm.
	Tick struct{}
	// Connected says that this node has a new connection, and in which JetStream domain the buckets are; "" if that is not known.
	Connected struct {
		Conn   protocol.Conn
		Domain string
	}
	// Disconnected says that it has none any more.
	Disconnected struct{}
	// Drain says that this node is going to leave: what it has is to be handed over.
	Drain struct{}
	// Leave asks to leave the hub in order; the running side has stopped.
	Leave struct{}
	// LocalReport brings what the running side of this node has to say.
	LocalReport struct{ Report protocol.Report }

	// RecordStored is a live record of a bucket. Anybody may have sent it. Its value is looked at only if it is a node's, and
	// no longer than MaxHeard.
	RecordStored struct{ Record Record }
	// RecordsMissed says that live records of a bucket were lost: too many came at once.
	RecordsMissed struct{ Bucket protocol.Bucket }
	// RecordsLoaded answers a Load.
	RecordsLoaded struct {
		Bucket  protocol.Bucket
		After   uint64 // as in the Load
		Records []Record
		Last    uint64
		Outcome Outcome
		Cause   string // what NATS said, or that it was silent; "" after Done and Conflict
	}
	// KeyRead answers a ReadKey. A record without a revision says that nothing was left of the key: which says nothing of
	// what is known to have been stored since it was asked for, at Known.
	KeyRead struct {
		Bucket  protocol.Bucket
		Key     string
		Known   uint64
		Record  Record
		Outcome Outcome
	}
	// NodeWritten answers a WriteNode.
	NodeWritten struct {
		Write    WriteNode
		Revision uint64
		Outcome  Outcome
		Cause    string
	}
	// NodeDropped answers a DropNode.
	NodeDropped struct {
		Drop     DropNode
		Revision uint64 // of the marker in its place
		Outcome  Outcome
		Cause    string
	}
	// Committed answers a CommitWrites.
	Committed struct {
		Nonce    string
		Revision uint64
		Outcome  Outcome
		Cause    string
	}
	// SpecsWritten answers a WriteSpecs.
	SpecsWritten struct {
		ID       uint64
		Revision uint64
		Outcome  Outcome
		Cause    string
	}
	// BeatAnswered answers a SendBeat. One that is unknown says that the answer is late, or lost: it may still follow.
	BeatAnswered struct {
		Number  uint64
		Answer  protocol.BeatAnswer
		Outcome Outcome
	}
	// BeatReceived is a heartbeat of another node; AnswerBeat answers it.
	BeatReceived struct {
		ID   uint64
		Beat protocol.Beat
	}
	// ControlReceived is a control request; AnswerControl or IgnoreControl answers it. Hub is the id of the hub that it is for; "" if
	// that is not known.
	ControlReceived struct {
		ID   uint64
		Verb string
		Hub  string
		Data []byte
	}
	// LeadFailed says that a Lead{On: true} was not carried out.
	LeadFailed struct{}
	// NobodyThere says that nobody listens for a node.
	NobodyThere struct{ Node string }
	// Woken says that the coordinator asks for a heartbeat now.
	Woken struct{}
	// Pinged answers a Ping.
	Pinged struct{ Outcome Outcome }
	// ConnAnswered answers an AskConn.
	ConnAnswered struct {
		Node     string
		Conn     protocol.Conn
		Evidence Evidence
	}
	// ConnReported says that somebody, by the look of it a NATS server, reported a node's connection
	// closed. Anybody in the account may have sent it: it is a hint, and proves nothing.
	ConnReported struct{ Conn protocol.Conn }
	// Kicked answers a Kick. Done says that the server closed the connection, NobodyListens that this
	// hub has no access to that.
	Kicked struct {
		Node    string
		Conn    protocol.Conn
		Outcome Outcome
	}
)

func (Tick) event()            {}
func (Connected) event()       {}
func (Disconnected) event()    {}
func (Drain) event()           {}
func (Leave) event()           {}
func (LocalReport) event()     {}
func (RecordStored) event()    {}
func (RecordsMissed) event()   {}
func (RecordsLoaded) event()   {}
func (KeyRead) event()         {}
func (NodeWritten) event()     {}
func (NodeDropped) event()     {}
func (Committed) event()       {}
func (SpecsWritten) event()    {}
func (BeatAnswered) event()    {}
func (BeatReceived) event()    {}
func (ControlReceived) event() {}
func (LeadFailed) event()      {}
func (NobodyThere) event()     {}
func (Woken) event()           {}
func (Pinged) event()          {}
func (ConnAnswered) event()    {}
func (ConnReported) event()    {}
func (Kicked) event()          {}
