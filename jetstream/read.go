package jetstream

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

type getRequest struct {
	LastFor string `json:"last_by_subj,omitempty"`
	NextFor string `json:"next_by_subj,omitempty"`
	Seq     uint64 `json:"seq,omitempty"`
}

type getResponse struct {
	Message struct {
		Subject  string `json:"subject"`
		Sequence uint64 `json:"seq"`
		Header   []byte `json:"hdrs"`
		Data     []byte `json:"data"`
	} `json:"message"`
}

// ReadKey returns the last record under key, read from the stream's leader.
func (s *Session) ReadKey(ctx context.Context, b protocol.Bucket, key string) (view.Record, error) {
	r, _, err := s.get(ctx, b, getRequest{LastFor: s.subjectPrefix(b) + key})
	if err != nil {
		return view.Record{}, s.bucketError("read key "+key+" of", b, err)
	}
	return r, nil
}

// next returns the first record at or after a sequence; false if there is none.
func (s *Session) next(ctx context.Context, b protocol.Bucket, seq uint64) (view.Record, bool, error) {
	return s.get(ctx, b, getRequest{NextFor: s.subjectPrefix(b) + ">", Seq: seq})
}

func (s *Session) get(ctx context.Context, b protocol.Bucket, req getRequest) (view.Record, bool, error) {
	var resp getResponse
	err := s.call(ctx, "STREAM.MSG.GET."+s.stream(b), req, &resp)
	if codeOf(err) == codeNoMessage {
		return view.Record{}, false, nil
	}
	if err != nil {
		return view.Record{}, false, err
	}
	m := &resp.Message
	h, err := decodeHeader(m.Header)
	if err != nil {
		return view.Record{}, false, err
	}
	key, _ := strings.CutPrefix(m.Subject, s.subjectPrefix(b))
	return record(b, key, m.Sequence, h, m.Data), true, nil
}

func decodeHeader(data []byte) (nats.Header, error) {
	if len(data) == 0 {
		return nil, nil
	}
	h, err := nats.DecodeHeadersMsg(data)
	if err != nil {
		return nil, fmt.Errorf("decode stored headers: %w", err)
	}
	return h, nil
}

func record(b protocol.Bucket, key string, seq uint64, h nats.Header, data []byte) view.Record {
	r := view.Record{Bucket: b, Key: key, Revision: seq, Value: data}
	if h.Get(headerOperation) != "" || h.Get(headerMarker) != "" {
		r.Deleted, r.Value = true, nil
	}
	return r
}

// stored decodes what a bucket's stream repeated when it had stored it.
func (s *Session) stored(b protocol.Bucket, m *nats.Msg) (view.Record, error) {
	key, ok := strings.CutPrefix(m.Subject, s.subjects.Stored(b, ""))
	if !ok || added(m, jetstream.StreamHeader) != s.stream(b) {
		return view.Record{}, fmt.Errorf("found no header %s: %s, which the bucket's own messages have", jetstream.StreamHeader, s.stream(b))
	}
	seq, err := strconv.ParseUint(added(m, jetstream.SequenceHeader), 10, 64)
	if err != nil || seq == 0 {
		return view.Record{}, fmt.Errorf("header %s: found %q, expected a stream sequence", jetstream.SequenceHeader, added(m, jetstream.SequenceHeader))
	}
	return record(b, key, seq, m.Header, m.Data), nil
}

// added returns the header that the stream added when it repeated a message. What was stored may have one of that name,
// which stands before it.
func added(m *nats.Msg, header string) string {
	values := m.Header[header]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}
