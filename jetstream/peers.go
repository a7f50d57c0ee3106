package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

const (
	headerStatus = "Status"
	noResponders = "503"
)

// Beat sends a heartbeat to the coordinator. coordinator.ErrNoResponders if there is none.
func (s *Session) Beat(ctx context.Context, b protocol.Beat) (protocol.BeatAnswer, error) {
	a, err := ask(ctx, s, s.subjects.Beat(), b, protocol.DecodeBeatAnswer)
	if err != nil {
		return protocol.BeatAnswer{}, fmt.Errorf("send heartbeat: %w", err)
	}
	return a, nil
}

// ask sends req as JSON and decodes the answer.
func ask[T any](ctx context.Context, s *Session, subject string, req any, decode func([]byte) (T, error)) (T, error) {
	var none T
	ctx, cancel := bounded(ctx)
	defer cancel()
	data, err := json.Marshal(req)
	if err != nil {
		return none, fmt.Errorf("encode request: %w", err)
	}
	m, err := s.nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return none, portError(err)
	}
	a, err := decode(m.Data)
	if err != nil {
		return none, fmt.Errorf("decode the answer to %s: %w", subject, err)
	}
	return a, nil
}

// Probe asks NATS whether anybody listens for a node, and returns at once. Nobody ever answers; the
// server itself does if nobody listens.
func (s *Session) Probe(node string) error {
	if err := protocol.ValidateNode(node); err != nil { // it becomes part of a subject
		return fmt.Errorf("probe: %w", err)
	}
	if err := s.nc.PublishRequest(s.subjects.Probe(node), s.probes+node, nil); err != nil {
		return fmt.Errorf("probe node %s: %w", node, portError(err))
	}
	return nil
}

// Wake asks a node for a heartbeat now, and doesn't wait for it.
func (s *Session) Wake(node string) error {
	if err := protocol.ValidateNode(node); err != nil { // it becomes part of a subject
		return fmt.Errorf("wake: %w", err)
	}
	if err := s.nc.Publish(s.subjects.Wake(node), nil); err != nil {
		return fmt.Errorf("wake node %s: %w", node, portError(err))
	}
	return nil
}

// Announce publishes messages in order, and doesn't wait for anybody. One that NATS does not carry keeps no other back.
func (s *Session) Announce(msgs []coordinator.Message) error {
	var failed error
	for i := range msgs {
		err := s.nc.Publish(msgs[i].Subject, msgs[i].Data)
		if err == nil {
			continue
		}
		if failed == nil {
			failed = fmt.Errorf("announce on %s: %w", msgs[i].Subject, portError(err))
		}
		if !errors.Is(err, nats.ErrMaxPayload) && !errors.Is(err, nats.ErrBadSubject) {
			break // the connection is closed
		}
	}
	return failed
}

// isNoResponders reports whether m is the server's word that nobody listens.
func isNoResponders(m *nats.Msg) bool {
	return len(m.Data) == 0 && m.Header.Get(headerStatus) == noResponders
}
