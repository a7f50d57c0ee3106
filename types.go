package phub

import "github.com/phub-io/phub/protocol"

// Types of the protocol that users name. Each is documented where it is declared.
type (
	// Spec describes a child: its name, its kind, and what it is run with.
	Spec = protocol.Spec
	// Redundancy says how many replicas a child has and what they are to each other.
	Redundancy = protocol.Redundancy
	// Restart says what happens when a replica's worker ends, fails or panics.
	Restart = protocol.Restart
	// Config is a hub's configuration.
	Config = protocol.Config
	// Duration is a time.Duration that JSON holds as a string such as "2s".
	Duration = protocol.Duration
	// Factor is a number of replicas, or ClusterSize.
	Factor = protocol.Factor
	// Mode is what a replica is at this moment: Active or Passive.
	Mode = protocol.Mode
	// ChildResult is what became of one child of a start, stop or move.
	ChildResult = protocol.ChildResult
	// ReplicaState is one replica as the hub knows it.
	ReplicaState = protocol.ReplicaState
	// ChildInfo is all that is known of a child.
	ChildInfo = protocol.ChildInfo
	// NodeInfo is all that is known of a node.
	NodeInfo = protocol.NodeInfo
	// Nodes are the nodes of a hub in one view.
	Nodes = protocol.NodesResponse
	// Status is the health of a hub.
	Status = protocol.StatusResponse
	// Refused says how much input the nodes of a hub refused for one reason.
	Refused = protocol.Refused
	// Problem is an error as the hub sent it: a code, a message and what to try.
	Problem = protocol.Problem
	// ModeMessage says that the mode of one replica changed.
	ModeMessage = protocol.ModeMessage
	// Event is a life-cycle event.
	Event = protocol.Event
	// View is one committed state of the hub.
	View = protocol.View
	// Entry is the placement of one child.
	Entry = protocol.Entry
)

// Values of the protocol that users name.
const (
	Active  = protocol.Active
	Passive = protocol.Passive

	ClusterSize = protocol.ClusterSize

	Singularity = protocol.Singularity
	Replication = protocol.Replication

	ActiveActive  = protocol.ActiveActive
	ActivePassive = protocol.ActivePassive

	SignalNone    = protocol.SignalNone
	SignalActive  = protocol.SignalActive
	SignalPassive = protocol.SignalPassive
	SignalAll     = protocol.SignalAll

	Permanent = protocol.Permanent
	Transient = protocol.Transient
	Temporary = protocol.Temporary

	FailoverAuto   = protocol.FailoverAuto
	FailoverStrict = protocol.FailoverStrict
	FailoverFast   = protocol.FailoverFast

	BalanceOn  = protocol.BalanceOn
	BalanceOff = protocol.BalanceOff
)
