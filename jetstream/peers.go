package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

const (
	headerStatus = "Status"
	noResponders = "503"
)

// Beat sends a heartbeat to the coordinator. coordinator.ErrNoResponders if there is none. Answers that no coordinator signed
// for it are counted and passed over. What the coordinator of another hub of the name answers counts only if no other answer comes.
func (s *Session) Beat(ctx context.Context, b protocol.Beat) (protocol.BeatAnswer, error) {
	subject := s.subjects.Beat()
	var other *protocol.BeatAnswer
	a, err := ask(ctx, s, subject, &b, func(data []byte) (protocol.BeatAnswer, error) {
		a, err := protocol.OpenBeatAnswer(subject, &b, data)
		if err == nil && b.Hub != "" && a.Hub != "" && a.Hub != b.Hub {
			other, err = &a, errOther
		}
		return a, err
	})
	if err != nil && other != nil {
		return *other, nil
	}
	if err != nil {
		return protocol.BeatAnswer{}, fmt.Errorf("send heartbeat: %w", err)
	}
	return a, nil
}

// errOther says that an answer is to be passed over, and nothing to be said of it.
var errOther = errors.New("another hub's answer")

// answersWait is how many answers to one question may wait to be looked at. Whoever hears the question can answer it, too.
const answersWait = 64

// ask sends req, signed, and returns the first answer that open takes.
func ask[T any](ctx context.Context, s *Session, subject string, req protocol.Message, open func([]byte) (T, error)) (answer T, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	data, err := protocol.EncodeSigned(s.cfg.Keys, subject, req)
	if err != nil {
		return answer, fmt.Errorf("encode request: %w", err)
	}
	err = s.askUntil(ctx, subject, nil, data, func(m *nats.Msg) error {
		a, err := open(m.Data)
		if err == nil {
			answer = a
		}
		return err
	})
	return answer, err
}

// askUntil sends a request to a node and hands answers to take until that returns no error: it returns coordinator.ErrNoResponders
// if nobody listens. The others are somebody else's: whoever records the hub's messages in a stream has that answer each of
// them, sooner than the node that is asked. They are counted.
func (s *Session) askUntil(ctx context.Context, subject string, header nats.Header, data []byte, take func(*nats.Msg) error) error {
	answers := make(chan *nats.Msg, answersWait)
	inbox := s.inboxes.open(answers)
	defer s.inboxes.close(inbox)
	if err := s.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: inbox, Header: header, Data: data}); err != nil {
		return portError(err)
	}
	return s.takeUntil(ctx, subject, answers, take)
}

// takeUntil is the second part of askUntil.
func (s *Session) takeUntil(ctx context.Context, subject string, answers <-chan *nats.Msg, take func(*nats.Msg) error) error {
	for {
		select {
		case m := <-answers:
			if isNoResponders(m) {
				return coordinator.ErrNoResponders
			}
			err := take(m)
			if err == nil {
				return nil
			}
			if errors.Is(err, errOther) {
				continue
			}
			if stream := protocol.StreamAnswers(s.cfg.Hub, subject, m.Data); stream != nil {
				err = stream
			}
			s.notUnderstood(subject, fmt.Errorf("an answer is passed over: %w", err))
		case <-s.life.Done():
			return coordinator.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notUnderstood counts a message that is none of what its subject is for, or that its sender did not sign, and has the log say
// so at most once a minute.
func (s *Session) notUnderstood(subject string, err error) {
	s.cfg.Refused.Count(protocol.ReasonMessage)
	if before, due := s.junk.Due(time.Now()); due {
		s.log.Warn("message not understood", "hub", s.cfg.Hub, "node", s.cfg.Node, "subject", protocol.Cut(subject, protocol.MaxText), "error", err, "others_since_last_told", before)
	}
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
