package phub

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/jetstream"
)

type (
	// Examination is what a NATS deployment was found to give a hub.
	Examination = jetstream.Examination
	// Finding is something that was tried: after how long it came, or why it didn't.
	Finding = jetstream.Finding
	// BucketFinding is a bucket of the hub.
	BucketFinding = jetstream.BucketFinding
)

// ErrNoAccess is a Finding's error where the account lacks an import from the system account: docs/nats.md.
var ErrNoAccess = jetstream.ErrNoAccess

// Examine finds out what the NATS servers that dial reaches give to a hub: whether they are as phub needs
// them, and what proof of a node's end there is. It tries that with connections of its own, and touches
// nothing of the hub, which need not be there. It takes up to some seconds. The error says that no server
// was reached. dial must pass opts on, last.
func Examine(ctx context.Context, hub string, dial func(opts ...nats.Option) (*nats.Conn, error)) (*Examination, error) {
	return jetstream.Examine(ctx, hub, dial)
}
