package worker

import (
	"maps"

	"github.com/phub-io/phub/protocol"
)

// Request is a request as a worker gets it. It belongs to the worker; Header is shared and must not be
// changed.
type Request struct {
	Child  string
	Node   string // this node
	Epoch  uint64 // in which it is handled: the fencing token for whatever the handler writes
	Data   []byte
	Header map[string][]string // nil if there are none

	reply map[string][]string
}

// SetReplyHeader sets a header of the reply. It has no effect for Status, Description, and names that begin with
// Phub- or Nats-Service-Error, in upper or lower case: by those, clients know errors and epochs. Nor has it for
// Nats-Trace-, which has servers publish with the node's rights. A name that NATS refuses, such as one with a blank, makes the reply an error 500. Not to be called concurrently, nor after
// Handle returned.
func (r *Request) SetReplyHeader(key, value string) {
	if !protocol.IsReplyHeader(key) {
		return
	}
	if r.reply == nil {
		r.reply = make(map[string][]string, 4)
	}
	r.reply[key] = []string{value}
}

// replyHeader returns what was set, of which there must be some, together with base.
func (r *Request) replyHeader(base map[string][]string) map[string][]string {
	maps.Copy(r.reply, base)
	return r.reply
}
