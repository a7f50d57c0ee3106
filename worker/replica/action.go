package replica

import (
	"fmt"

	"github.com/phub-io/phub/protocol"
)

// Action is something to be done for a replica.
type Action interface {
	action()
	String() string
}

// Start asks for the worker to be made and started. Answered by Started, StartFailed or Ended.
type Start struct {
	Run  uint64
	Spec *protocol.Spec
}

// Stop asks for the worker to be stopped; Graceful: after what it handles at this moment. Answered
// by Stopped.
type Stop struct {
	Run      uint64
	Graceful bool
}

// Tell says in which mode the worker is from now on, before any request of that mode.
type Tell struct {
	Mode   protocol.Mode
	Epoch  uint64
	Reason string
}

// Open asks to take requests. Answered by Opened.
type Open struct{ Conn uint64 }

// Close asks to take no more requests. Answered by Closed.
type Close struct{ Conn uint64 }

// Drain asks for Drained as soon as nothing is queued and no handler runs. Work: and for the end of the worker's active
// work; Drained then also waits for that, and for the worker to have heard what it was told.
type Drain struct{ Work bool }

// Cancel asks for the running handler to be cancelled: its request's effect is unknown. With Demoted, so is a change of mode that
// the worker hears of.
type Cancel struct{ Cause Cause }

// Abandon says that a handler, a change of mode or active work which was to end still runs, and is waited for no more.
type Abandon struct{}

// Ask asks for a node's release of the child, again and again until Released answers it or Waits
// says that it is needed no more.
type Ask struct {
	Node string
	View uint64
}

// Cause says why a handler is cancelled.
type Cause int

// The causes.
const (
	LeaseLost Cause = iota // the node does not trust itself any more
	Demoted                // the replica is active no more
)

// String returns the cause as it is logged.
func (c Cause) String() string {
	if c == LeaseLost {
		return "lease lost"
	}
	return "demoted"
}

func (Start) action()   {}
func (Stop) action()    {}
func (Tell) action()    {}
func (Open) action()    {}
func (Close) action()   {}
func (Drain) action()   {}
func (Cancel) action()  {}
func (Abandon) action() {}
func (Ask) action()     {}

func (a Start) String() string { return fmt.Sprintf("start run %d", a.Run) }
func (a Stop) String() string  { return fmt.Sprintf("stop run %d graceful=%t", a.Run, a.Graceful) }
func (a Tell) String() string {
	return fmt.Sprintf("tell %s epoch=%d reason=%s", a.Mode, a.Epoch, a.Reason)
}
func (a Open) String() string  { return fmt.Sprintf("open on %d", a.Conn) }
func (a Close) String() string { return fmt.Sprintf("close on %d", a.Conn) }
func (a Drain) String() string {
	if a.Work {
		return "drain, and end the work"
	}
	return "drain"
}
func (a Cancel) String() string { return "cancel: " + a.Cause.String() }
func (Abandon) String() string  { return "abandon what runs" }
func (a Ask) String() string    { return fmt.Sprintf("ask %s to release, view %d", a.Node, a.View) }
