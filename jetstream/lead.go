package jetstream

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

func (r *receiver) beat(beats *protocol.Beats, m *nats.Msg) {
	if r.over() {
		return
	}
	subject := r.s.subjects.Beat()
	b, err := beats.Open(subject, m.Data)
	if err != nil {
		r.h.Undecodable(m.Subject, fmt.Errorf("decode heartbeat: %w", err))
		return
	}
	reply := m.Reply // the message itself is not kept
	r.h.Beat(b, func(a protocol.BeatAnswer) { r.s.answer(subject, reply, &a) })
}

func (r *receiver) control(m *nats.Msg) {
	if r.over() {
		return
	}
	verb, ok := strings.CutPrefix(m.Subject, r.s.subjects.Relay(""))
	if !ok {
		r.h.Undecodable(m.Subject, fmt.Errorf("found no control verb"))
		return
	}
	hub := m.Header.Get(protocol.HeaderHub)
	reply := m.Reply // the request itself is not kept while it waits
	r.h.Control(verb, hub, m.Data, func(data []byte, p *protocol.Problem) { r.s.answerControl(reply, data, p) })
}

// answer sends a, signed, to the node that asked on a subject.
func (s *Session) answer(subject, reply string, a protocol.Message) {
	data, err := protocol.EncodeSigned(s.cfg.Keys, subject, a)
	if err == nil {
		err = s.replyNode(reply, nil, data)
	}
	if err != nil {
		s.log.Debug("answer", "to", reply, "error", err)
	}
}

func (s *Session) answerControl(reply string, data []byte, p *protocol.Problem) {
	if limit := int(s.nc.MaxPayload()) - 1024; len(data) > limit {
		p = &protocol.Problem{Code: protocol.CodeTooLarge, Message: fmt.Sprintf("the answer has %d bytes, NATS carries %d", len(data), limit), Try: "ask for less, page by page, or raise the NATS server's max_payload"}
		data = nil
	}
	header, data := problemMessage(data, p)
	if err := s.replyNode(reply, s.named(header), data); err != nil {
		s.log.Debug("answer", "to", reply, "error", err)
	}
}

// problemMessage is an answer as NATS services give it. A problem without data goes as data too, for
// those who don't look at headers.
func problemMessage(data []byte, p *protocol.Problem) (nats.Header, []byte) {
	if p == nil {
		return nil, data
	}
	header, text := p.Answer()
	if len(data) == 0 {
		data = text
	}
	return header, data
}
