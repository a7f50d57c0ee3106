package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/protocol"
)

// ErrNoBuckets says that nothing is left of a hub's buckets.
var ErrNoBuckets = errors.New("phub: the hub has no buckets")

// ErrInUse says that a node wrote to a hub's buckets a moment ago.
var ErrInUse = errors.New("phub: the hub's buckets are in use")

// quiet is for how long no node may have written before buckets are deleted: twice the time between two records of a node that is
// heard, by default settings.
const quiet = 10 * time.Second

// RemoveBuckets deletes a hub's buckets, in a JetStream domain. The one by which hubs are listed goes last, so what was interrupted can
// be repeated.
func RemoveBuckets(ctx context.Context, nc *nats.Conn, hub, domain string) error {
	js, err := newJetStream(nc, domain)
	if err != nil {
		return err
	}
	var streams []string
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		there, err := unused(ctx, js, b, hub)
		if err != nil {
			return err
		}
		if there {
			streams = append(streams, "KV_"+b.Name(hub))
		}
	}
	if len(streams) == 0 {
		return ErrNoBuckets
	}
	for _, stream := range streams {
		if err := js.DeleteStream(ctx, stream); err != nil && codeOf(err) != codeStreamNotFound {
			return setupError("delete stream "+stream, err)
		}
	}
	return nil
}

// unused reports whether there is a bucket, and fails if nodes write to it.
func unused(ctx context.Context, js jetstream.JetStream, b protocol.Bucket, hub string) (there bool, err error) {
	s, err := js.Stream(ctx, "KV_"+b.Name(hub))
	switch {
	case codeOf(err) == codeStreamNotFound:
		return false, nil
	case err != nil:
		return false, setupError("look up bucket "+b.Name(hub), nobodyAnswers(err))
	}
	info := s.CachedInfo()
	if since := info.TimeStamp.Sub(info.State.LastTime); b == protocol.NodesBucket && info.State.Msgs > 0 && since < quiet {
		return true, fmt.Errorf("%w: a node wrote %v ago", ErrInUse, since.Round(time.Millisecond))
	}
	return true, nil
}
