package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// reply sends an answer to the subject that a request named; to "" none is sent. All answers go this way, or by replyNode:
// whoever sends a request chooses the subject, and must not have a node publish what it may not publish itself. An
// answer that is refused is counted, the log has it at most once a minute, and it is no error.
func (s *Session) reply(to string, header nats.Header, data []byte) error {
	return s.replyIf(protocol.ValidateClientReply, to, header, data)
}

// replyNode does the same for a request that only nodes may send.
func (s *Session) replyNode(to string, header nats.Header, data []byte) error {
	return s.replyIf(protocol.ValidateReply, to, header, data)
}

func (s *Session) replyIf(valid func(string) error, to string, header nats.Header, data []byte) error {
	if to == "" {
		return nil
	}
	if err := valid(to); err != nil {
		s.replyRefused(err)
		return nil
	}
	if err := s.present().nc.PublishMsg(&nats.Msg{Subject: to, Header: header, Data: data}); err != nil {
		return fmt.Errorf("answer: %w", portError(err))
	}
	return nil
}

func (s *Session) replyRefused(err error) {
	s.cfg.Refused.Count(protocol.ReasonReply)
	if before, due := s.replies.Due(time.Now()); due {
		s.log.Warn("a request is not answered: its sender chose a subject that is not for answers",
			"hub", s.cfg.Hub, "node", s.cfg.Node, "error", err, "others_since_last_told", before)
	}
}

// replyDenied takes the server's word that this node may not publish on a subject, and reports whether that was an answer:
// nothing else that a node publishes is a subject to which it may answer.
func (s *Session) replyDenied(err error) bool {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return false
	}
	_, rest, ok := strings.Cut(err.Error(), `Publish to "`)
	to, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed || protocol.ValidateReply(to) != nil {
		return false
	}
	s.replyRefused(&protocol.FieldError{Field: "reply", Found: fmt.Sprintf("%.80q", to), Allowed: "an inbox to which this node's user may publish"})
	return true
}
