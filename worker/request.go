package worker

import "maps"

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

// SetReplyHeader sets a header of the reply. Those of phub and of NATS services can't be set: phub's
// own values overwrite them. Not to be called concurrently, nor after Handle returned.
func (r *Request) SetReplyHeader(key, value string) {
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
