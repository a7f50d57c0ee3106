package jetstream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/protocol"
)

// A bucket that is made right after one of its name was deleted may hold all that the deleted one held: the server removes a
// stream's files in the background, and may find them again (nats-server 2.15.2, file storage, without a cluster). Nobody who
// reads it can tell. So the session that makes a bucket empties it before it goes on.

// madeBy is what a bucket's metadata have of the session that made it. JetStream answers the request to make a stream that is
// there already as if it had just been made, unless the two differ.
const madeBy = "phub_made_by"

// leftoverKey is the key of the marker that is left of what was in a bucket when it was made.
const leftoverKey = "_leftovers"

// leftovers reports whether a bucket that this session made holds what is older than itself.
func (s *Session) leftovers(info *jetstream.StreamInfo) bool {
	return info.Config.Metadata[madeBy] == s.made && info.State.Msgs > 0 && info.State.FirstTime.Before(info.Created)
}

// clearLeftovers takes away what is older than a bucket that this session made. It needs no right that nodes have not: a
// delete marker that takes the place of all other records.
func (s *Session) clearLeftovers(ctx context.Context, b protocol.Bucket, info *jetstream.StreamInfo) (*jetstream.StreamInfo, error) {
	for s.leftovers(info) {
		s.log.Warn("a bucket that was just made holds records of a deleted one: taken away", "hub", s.cfg.Hub, "bucket", b.Name(s.cfg.Hub), "records", info.State.Msgs)
		_, err := s.publish(ctx, []*nats.Msg{{Subject: b.WriteKeys(s.cfg.Hub, s.cfg.Domain) + leftoverKey, Header: nats.Header{
			headerOperation:                 {purged},
			jetstream.MsgRollup:             {jetstream.MsgRollupAll},
			jetstream.MsgTTLHeader:          {markerTTL.String()},
			jetstream.ExpectedLastSeqHeader: {strconv.FormatUint(info.State.LastSeq, 10)},
		}}})
		if err != nil && codeOf(err) != codeWrongLastSequence {
			return nil, fmt.Errorf("take away the records of a deleted bucket: %w", err)
		}
		if info, err = s.streamInfo(ctx, b); err != nil {
			return nil, err
		}
	}
	return info, nil
}
