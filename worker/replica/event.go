package replica

import (
	"fmt"

	"github.com/phub-io/phub/protocol"
)

// Event is something that happened to a replica.
type Event interface {
	event()
	String() string
}

// Assigned says what the replica is to be from now on. One that is older than what is known is
// ignored, unless Reset says that all that was known is void.
type Assigned struct {
	Assignment protocol.Assignment
	Reset      bool
}

// Voided says that all that was assigned is void: the replica serves no more at once, and stops.
type Voided struct{}

// Started says that the worker is made and started.
type Started struct{ Run uint64 }

// StartFailed says that the worker could not be made or started. Final: it never can be, here.
type StartFailed struct {
	Run   uint64
	Err   string
	Final bool
}

// Ended says that the worker ended by itself: normally if Err is empty, otherwise by an error or panic.
type Ended struct {
	Run uint64
	Err string
}

// Stopped says that a worker that was to be stopped is gone, or was abandoned.
type Stopped struct{ Run uint64 }

// TrustGained says that the node may trust itself again.
type TrustGained struct{}

// TrustLost says that the node may not trust itself any more.
type TrustLost struct{ Reason string }

// Attached says that there is a connection, with nothing subscribed yet. Conn grows with each.
type Attached struct{ Conn uint64 }

// Detached says that the connection is gone.
type Detached struct{}

// Opened says what came of an Open.
type Opened struct {
	Conn uint64
	OK   bool
}

// Closed says what came of a Close.
type Closed struct {
	Conn uint64
	OK   bool
}

// Refused says that NATS refuses the subscription: the user may not have it, or has too many. It may come at
// any time after the Open, also after Opened.
type Refused struct {
	Conn uint64
	Err  string
}

// Drained says that what a Drain asked for is so.
type Drained struct{ Work bool }

// ReleaseAsked says that a successor asks the node to let go of the child, by the view of its entry.
type ReleaseAsked struct{ View uint64 }

// Released says that a node let go of the child, as it was asked to by that view.
type Released struct {
	Node string
	View uint64
}

// Tick says that time has passed: the instant that Wake named has come.
type Tick struct{}

func (Assigned) event()     {}
func (Voided) event()       {}
func (Started) event()      {}
func (StartFailed) event()  {}
func (Ended) event()        {}
func (Stopped) event()      {}
func (TrustGained) event()  {}
func (TrustLost) event()    {}
func (Attached) event()     {}
func (Detached) event()     {}
func (Opened) event()       {}
func (Closed) event()       {}
func (Refused) event()      {}
func (Drained) event()      {}
func (ReleaseAsked) event() {}
func (Released) event()     {}
func (Tick) event()         {}

func (e Assigned) String() string {
	a := e.Assignment
	if !a.Assigned {
		return fmt.Sprintf("assigned view=%d none reset=%t", a.View, e.Reset)
	}
	return fmt.Sprintf("assigned view=%d spec=%d %s epoch=%d after=%v reset=%t", a.View, a.SpecRev, a.Mode, a.Epoch, a.After, e.Reset)
}

func (e StartFailed) String() string {
	return fmt.Sprintf("start of run %d failed: %s (final=%t)", e.Run, e.Err, e.Final)
}
func (Voided) String() string      { return "voided" }
func (e Started) String() string   { return fmt.Sprintf("run %d started", e.Run) }
func (e Ended) String() string     { return fmt.Sprintf("run %d ended: %q", e.Run, e.Err) }
func (e Stopped) String() string   { return fmt.Sprintf("run %d stopped", e.Run) }
func (TrustGained) String() string { return "trust gained" }
func (e TrustLost) String() string { return "trust lost: " + e.Reason }
func (e Attached) String() string  { return fmt.Sprintf("attached to connection %d", e.Conn) }
func (Detached) String() string    { return "detached" }
func (e Opened) String() string    { return fmt.Sprintf("opened on %d: %t", e.Conn, e.OK) }
func (e Closed) String() string    { return fmt.Sprintf("closed on %d: %t", e.Conn, e.OK) }
func (e Refused) String() string   { return fmt.Sprintf("refused on %d: %s", e.Conn, e.Err) }
func (e Drained) String() string {
	if e.Work {
		return "drained, and the work has ended"
	}
	return "drained"
}
func (e ReleaseAsked) String() string { return fmt.Sprintf("release asked by view %d", e.View) }
func (e Released) String() string     { return fmt.Sprintf("released by %s for view %d", e.Node, e.View) }
func (Tick) String() string           { return "tick" }
