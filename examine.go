package phub

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/jetstream"
)

type (
	// Examination is what a NATS deployment was found to offer a hub.
	Examination = jetstream.Examination
	// Finding is the result of one try: how long it took to come, or why it didn't. Of several servers it is the worst.
	Finding = jetstream.Finding
	// StorageFinding is how much of what it may an account stores on disk.
	StorageFinding = jetstream.StorageFinding
	// BucketFinding is a bucket of the hub.
	BucketFinding = jetstream.BucketFinding
)

// Errors of a Finding.
var (
	// ErrNoAccess: the account lacks an import from the system account. See docs/nats.md.
	ErrNoAccess = jetstream.ErrNoAccess
	// ErrNoQuorum: JetStream has no leader, because too few of a cluster's servers are there.
	ErrNoQuorum = jetstream.ErrNoQuorum
	// ErrGivenUp: a server gave up a client that left its pings unanswered for less than 2 s.
	ErrGivenUp = jetstream.ErrGivenUp
)

// Examine finds out what the NATS servers that dial reaches offer a hub: whether they meet phub's needs,
// and what proof of a node's end they give. It tries that with its own connections, at each server of the
// cluster, and leaves the hub, which need not exist, untouched. It takes up to a few seconds. An error means that it reached no
// server. domain is the JetStream domain to look at; an empty one is that of the server. dial must pass opts on, last.
func Examine(ctx context.Context, hub, domain string, dial func(opts ...nats.Option) (*nats.Conn, error)) (*Examination, error) {
	return jetstream.Examine(ctx, hub, domain, dial)
}
