package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// Action is something to be done. Those that are answered by an event are carried out beside the
// steps that follow; the others at once and in order.
type Action interface {
	String() string // for people who read tests
	action()
}

type (
	// Load reads a bucket after a revision; answered by RecordsLoaded.
	Load struct {
		Bucket protocol.Bucket
		After  uint64
		Try    int // how many have failed before it
	}
	// ReadKey reads a key from the leader of the bucket's stream; answered by KeyRead. Known is the key's revision that was
	// known when this was asked.
	ReadKey struct {
		Bucket protocol.Bucket
		Key    string
		Known  uint64
		Try    int // as of a WriteNode
	}
	// WriteNode stores a node's record by compare-and-set; answered by NodeWritten.
	WriteNode struct {
		Record protocol.NodeRecord
		Last   uint64
		Try    int // how often it was tried in vain: the more often, the longer it is waited for
	}
	// DropNode takes a node's record away by compare-and-set; answered by NodeDropped.
	DropNode struct {
		Node string
		Last uint64
	}
	// CommitWrites stores a batch in the placement bucket; answered by Committed.
	CommitWrites struct {
		Nonce  string
		Writes []Write
	}
	// WriteSpecs stores a batch in the children bucket; answered by SpecsWritten.
	WriteSpecs struct {
		ID     uint64
		Writes []Write
	}
	// SendBeat sends a heartbeat to the coordinator; answered by BeatAnswered. The running side may have something newer to
	// report: then Missing, of which it does not know, goes along.
	SendBeat struct {
		Beat    protocol.Beat
		Missing []string
	}
	// AnswerBeat answers a BeatReceived.
	AnswerBeat struct {
		ID     uint64
		Answer protocol.BeatAnswer
	}
	// AnswerControl gives one or more ControlReceived, which asked the same, one answer. Value is encoded as JSON.
	AnswerControl struct {
		IDs     []uint64
		Value   any
		Problem *protocol.Problem
	}
	// IgnoreControl leaves a ControlReceived to another hub's coordinator: it gets no answer here.
	IgnoreControl struct{ ID uint64 }
	// Probe asks whether anybody listens for a node; NobodyThere may follow.
	Probe struct{ Node string }
	// Wake asks a node for a heartbeat now.
	Wake struct{ Node string }
	// Ping asks this node's own server for a sign of life; answered by Pinged.
	Ping struct{}
	// AskConn asks the server of a connection whether it is still open; answered by ConnAnswered.
	AskConn struct {
		Node string
		Conn protocol.Conn
	}
	// Kick has a node's connection closed by its server, if it is that node's; answered by Kicked.
	Kick struct {
		Node string
		Conn protocol.Conn
	}
	// Lead starts or ends to listen to what the coordinator hears.
	Lead struct{ On bool }
	// StandIn starts or ends to answer for children that have no active replica.
	StandIn struct {
		Children []protocol.Interest
		On       bool
	}
	// SetTrust tells the running side until when it may serve; 0: not at all.
	SetTrust struct {
		Until  time.Duration
		Reason string
	}
	// Members tells the running side who this node is, and who are the members of the view that it follows.
	Members struct {
		Self    protocol.Incarnation
		Members []protocol.Incarnation
	}
	// Assign tells the running side what its replicas are to be.
	Assign struct {
		View    uint64
		Changes []protocol.Assignment
		Reset   bool
	}
	// AnnounceMode publishes a redundancy-mode message.
	AnnounceMode struct{ Message protocol.ModeMessage }
	// AnnounceEvent publishes a life-cycle event.
	AnnounceEvent struct{ Event protocol.Event }
	// Admitted says that this node is a member from now on.
	Admitted struct{ View uint64 }
	// Refused says that this node can't join, for a reason that waiting won't mend.
	Refused struct{ Problem protocol.Problem }
	// HasLeft says that this node's leaving is recorded.
	HasLeft struct{}
	// CountRefused counts input that was refused.
	CountRefused struct{ Reason protocol.Reason }
	// Note is for the log.
	Note struct {
		Level Level
		Text  string
		Key   string // the same for all notes of one kind
	}
)

// Level says who should read a note.
type Level int

// The levels: a change of role, something that is retried, something that a person must look at.
const (
	Info Level = iota
	Warn
	Error
)

func (Load) action()          {}
func (ReadKey) action()       {}
func (WriteNode) action()     {}
func (DropNode) action()      {}
func (CommitWrites) action()  {}
func (WriteSpecs) action()    {}
func (SendBeat) action()      {}
func (AnswerBeat) action()    {}
func (AnswerControl) action() {}
func (IgnoreControl) action() {}
func (Wake) action()          {}
func (Ping) action()          {}
func (Probe) action()         {}
func (AskConn) action()       {}
func (Kick) action()          {}
func (Lead) action()          {}
func (StandIn) action()       {}
func (SetTrust) action()      {}
func (Members) action()       {}
func (Assign) action()        {}
func (AnnounceMode) action()  {}
func (AnnounceEvent) action() {}
func (Admitted) action()      {}
func (Refused) action()       {}
func (HasLeft) action()       {}
func (CountRefused) action()  {}
func (Note) action()          {}
