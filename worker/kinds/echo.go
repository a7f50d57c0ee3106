package kinds

import (
	"context"

	"github.com/phub-io/phub/worker"
)

// Echo makes a worker that answers with the data it was sent.
func Echo(worker.Replica) (worker.Worker, error) {
	return worker.HandlerFunc(func(_ context.Context, r *worker.Request) ([]byte, error) { return r.Data, nil }), nil
}
