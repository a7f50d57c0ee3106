package kinds

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// CounterReply is what a counter answers.
type CounterReply struct {
	Child string `json:"child"`
	Node  string `json:"node"`
	Epoch uint64 `json:"epoch"`
	Count uint64 `json:"count"`
}

// Counter makes a worker that counts. Its requests are "inc" (or nothing), "get" and "reset"; each is
// answered with a CounterReply. The count lives in the replica's memory: after a failover it starts
// at 0 again, which is what it is there to show.
func Counter(worker.Replica) (worker.Worker, error) { return &counter{}, nil }

type counter struct{ count uint64 }

// Handle answers one request.
func (c *counter) Handle(_ context.Context, r *worker.Request) ([]byte, error) {
	switch cmd := strings.TrimSpace(string(r.Data)); cmd {
	case "", "inc":
		c.count++
	case "get":
	case "reset":
		c.count = 0
	default:
		return nil, worker.Errorf(protocol.CodeBadRequest, "found the command %.40q; a counter knows inc, get and reset", cmd)
	}
	return json.Marshal(CounterReply{Child: r.Child, Node: r.Node, Epoch: r.Epoch, Count: c.count})
}
