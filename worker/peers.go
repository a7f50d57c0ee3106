package worker

import (
	"sync"
	"sync/atomic"

	"github.com/phub-io/phub/protocol"
)

// peers are who may ask this node to let go of something, and tell it that they have: the members, each as one incarnation.
// Whatever else has a member's name (a process that was replaced, or somebody with a key of his own) has nothing to say.
type peers struct {
	asks atomic.Uint64 // requests for release so far

	mu   sync.RWMutex
	self string            // this node's incarnation; empty while it is no member
	ids  map[string]string // by node
}

// Members tells who this node is, and who are the members of the view that it follows. What that view means is assigned after
// it.
func (h *Host) Members(self protocol.Incarnation, members []protocol.Incarnation) {
	ids := make(map[string]string, len(members))
	for _, x := range members {
		ids[x.Node] = x.ID
	}
	p := &h.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self, p.ids = self.ID, ids
}

// is reports whether an incarnation is the member of that name.
func (p *peers) is(node, id string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return id != "" && p.ids[node] == id
}

// own returns this node's incarnation.
func (p *peers) own() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.self
}
