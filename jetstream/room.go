package jetstream

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/phub-io/phub/protocol"
)

// What may be under way of one verb on one node. A start may wait for minutes: each verb has a room of its own, so that
// those keep nobody from asking for the status, or stopping.
const (
	roomRequests = 256      // different ones
	roomAskers   = 1024     // equal ones included
	waitingBytes = 32 << 20 // of start, stop and move
	quickBytes   = 4 << 20  // of the others
)

// room counts the requests of one verb that this node has under way. Equal requests take up room once.
type room struct {
	node, verb string
	bytes      int // that are left

	mu     sync.Mutex
	askers int
	calls  map[[sha256.Size]byte]*call
}

// call is a request, and how many asked it.
type call struct {
	room   *room
	hash   [sha256.Size]byte
	data   []byte
	askers int
}

func newRoom(node, verb string) *room {
	r := &room{node: node, verb: verb, bytes: quickBytes, calls: map[[sha256.Size]byte]*call{}}
	switch verb {
	case protocol.VerbStart, protocol.VerbUpdate, protocol.VerbStop, protocol.VerbMove:
		r.bytes = waitingBytes
	}
	return r
}

// enter takes a request in, or says why not. Whoever entered must leave.
func (r *room) enter(data []byte) (*call, *protocol.Problem) {
	hash := sha256.Sum256(data)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.calls[hash]
	switch {
	case r.askers >= roomAskers, c == nil && len(r.calls) >= roomRequests, c == nil && r.bytes < len(data):
		return nil, &protocol.Problem{
			Code:    protocol.CodeBusy,
			Message: fmt.Sprintf("node %s has %d requests to %s under way, %d of them different, and room for %d bytes more; nothing was done", r.node, r.askers, r.verb, len(r.calls), r.bytes),
			Try:     "again in a moment",
		}
	case c == nil:
		c = &call{room: r, hash: hash, data: data}
		r.calls[hash] = c
		r.bytes -= len(data)
	}
	c.askers++
	r.askers++
	return c, nil
}

func (c *call) leave() {
	r := c.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.askers--
	if c.askers--; c.askers == 0 {
		delete(r.calls, c.hash)
		r.bytes += len(c.data)
	}
}
