package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Headers of stored messages. A purge marker, unlike a delete marker, leaves no second marker behind
// when its time is over.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
	headerOperation   = "KV-Operation"
	headerMarker      = "Nats-Marker-Reason"
	purged            = "PURGE"
)

const retryPause = 5 * time.Millisecond

// Commit stores writes in the placement bucket in the order given, all or none.
func (s *Session) Commit(ctx context.Context, writes []view.Write) (uint64, error) {
	return s.write(ctx, protocol.PlacementBucket, writes)
}

// WriteSpecs does the same in the children bucket.
func (s *Session) WriteSpecs(ctx context.Context, writes []view.Write) (uint64, error) {
	return s.write(ctx, protocol.ChildrenBucket, writes)
}

// WriteNode stores a node's record if the key's last revision is last.
func (s *Session) WriteNode(ctx context.Context, rec protocol.NodeRecord, last uint64) (uint64, error) {
	data, err := json.Marshal(rec)
	if err != nil {
		return 0, fmt.Errorf("encode record of node %s: %w", rec.Node, err)
	}
	return s.write(ctx, protocol.NodesBucket, []view.Write{{Key: rec.Node, Value: data, Last: last}})
}

// DropNode takes a node's record away if the key's last revision is last.
func (s *Session) DropNode(ctx context.Context, node string, last uint64) (uint64, error) {
	return s.write(ctx, protocol.NodesBucket, []view.Write{{Key: node, Delete: true, Last: last}})
}

// write stores writes. What is refused for a reason that passes was not stored, and is sent again until
// ctx ends.
func (s *Session) write(ctx context.Context, b protocol.Bucket, writes []view.Write) (uint64, error) {
	if err := s.checkWrites(writes); err != nil {
		return 0, fmt.Errorf("write to bucket %s: %w", b.Name(s.cfg.Hub), err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		rev, err := s.publish(ctx, s.messages(b, writes))
		if !isPassing(codeOf(err)) {
			return rev, s.bucketError("write to", b, err)
		}
		if pause(ctx, retryPause) != nil {
			return 0, s.bucketError("write to", b, err)
		}
	}
}

func (s *Session) checkWrites(writes []view.Write) error {
	if len(writes) == 0 || len(writes) > view.MaxCommit {
		return fmt.Errorf("found %d writes, allowed are 1 to %d", len(writes), view.MaxCommit)
	}
	keys := make(map[string]bool, len(writes))
	for i := range writes {
		w := &writes[i]
		if err := protocol.ValidateKey(w.Key); err != nil {
			return err
		}
		if keys[w.Key] {
			return fmt.Errorf("found key %q twice, allowed is one write for each key", w.Key)
		}
		keys[w.Key] = true
		// Leaves room for the subject and the headers, which count too.
		if limit := int(s.nc.MaxPayload()) - 1024; len(w.Value) > limit {
			return fmt.Errorf("found a value of %d bytes for key %q, allowed are %d (the NATS server's max_payload)", len(w.Value), w.Key, limit)
		}
	}
	return nil
}

func (s *Session) messages(b protocol.Bucket, writes []view.Write) []*nats.Msg {
	prefix := b.WriteKeys(s.cfg.Hub, s.cfg.Domain)
	msgs := make([]*nats.Msg, len(writes))
	for i := range writes {
		msgs[i] = message(prefix, &writes[i])
	}
	if len(msgs) > 1 {
		id := nuid.Next()
		for i, m := range msgs {
			m.Header[headerBatchID] = []string{id}
			m.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
		}
		msgs[len(msgs)-1].Header[headerBatchCommit] = []string{"1"}
	}
	return msgs
}

func message(prefix string, w *view.Write) *nats.Msg {
	m := &nats.Msg{Subject: prefix + w.Key, Data: w.Value, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(w.Last, 10)},
	}}
	if w.Delete {
		m.Data = nil
		m.Header[headerOperation] = []string{purged}
		m.Header[jetstream.MsgTTLHeader] = []string{markerTTL.String()}
	}
	return m
}

// publish sends messages, all but the last without asking for an answer: the last one's tells of all.
// A single message is not a batch: that would cost a file of its own on a stream without replicas.
func (s *Session) publish(ctx context.Context, msgs []*nats.Msg) (uint64, error) {
	last := len(msgs) - 1
	for _, m := range msgs[:last] {
		if err := s.nc.PublishMsg(m); err != nil {
			return 0, err
		}
	}
	m, err := s.nc.RequestMsgWithContext(ctx, msgs[last])
	if err != nil {
		return 0, err
	}
	var ack struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("decode the acknowledgement: %w", err)
	case ack.Error != nil:
		return 0, ack.Error
	case ack.Sequence == 0:
		return 0, fmt.Errorf("decode the acknowledgement: found none in %.100q", m.Data)
	}
	return ack.Sequence, nil
}
