package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/protocol"
)

// api is what the subjects of JetStream's API begin with.
func (s *Session) api() string { return protocol.JetStreamAPI(s.cfg.Domain) }

// call sends a request to JetStream's API and decodes the answer into resp. An error that JetStream
// itself answers with is a *jetstream.APIError.
func (s *Session) call(ctx context.Context, subject string, req, resp any) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var data []byte
	if req != nil {
		var err error
		if data, err = json.Marshal(req); err != nil {
			return err
		}
	}
	m, err := s.nc.RequestWithContext(ctx, s.api()+subject, data)
	if err != nil {
		return err
	}
	var refused struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &refused); err != nil {
		return fmt.Errorf("decode JetStream's answer: %w", err)
	}
	if refused.Error != nil {
		return refused.Error
	}
	return json.Unmarshal(m.Data, resp)
}

func (s *Session) streamInfo(ctx context.Context, b protocol.Bucket) (*jetstream.StreamInfo, error) {
	var info jetstream.StreamInfo
	if err := s.call(ctx, "STREAM.INFO."+s.stream(b), nil, &info); err != nil {
		return nil, err
	}
	return &info, nil
}

func (s *Session) createStream(ctx context.Context, cfg jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	var info jetstream.StreamInfo
	if err := s.call(ctx, "STREAM.CREATE."+cfg.Name, cfg, &info); err != nil {
		return nil, err
	}
	return &info, nil
}

func (s *Session) updateStream(ctx context.Context, cfg jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	var info jetstream.StreamInfo
	if err := s.call(ctx, "STREAM.UPDATE."+cfg.Name, cfg, &info); err != nil {
		return nil, err
	}
	return &info, nil
}

// bucketError says of an error that came from a bucket what it may mean.
func (s *Session) bucketError(doing string, b protocol.Bucket, err error) error {
	name := b.Name(s.cfg.Hub)
	if err == nil {
		return nil
	}
	rejection := s.rejection(b, err)
	if mayBeMended(codeOf(err)) {
		s.mendLater(b)
	}
	switch {
	case codeOf(err) == codeStreamNotFound:
		err = fmt.Errorf("%s bucket %s: it was deleted (%w); a node that connects makes it again", doing, name, rejection)
	case rejection != nil:
		err = fmt.Errorf("%s bucket %s: %w", doing, name, rejection)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s bucket %s: its stream does not answer; it may have no leader, or too few of its servers are there: %w", doing, name, err)
	case codeOf(err) == codeSequenceInFlight:
		return fmt.Errorf("%s bucket %s: its stream has not decided on an earlier write; too few of its servers may be there: %w", doing, name, err)
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%s bucket %s: its stream has no leader at this moment, or it was deleted: %w", doing, name, portError(err))
	default:
		return fmt.Errorf("%s bucket %s: %w", doing, name, portError(err))
	}
	s.rejections.bucketRejected(err, time.Now())
	return err
}
