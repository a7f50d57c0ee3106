package inmem

import (
	"context"
	"errors"
	"strings"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

var buckets = []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket}

// Serve delivers what arrives to h, until the session ends.
func (s *Session) Serve(_ context.Context, h coordinator.Handler) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	switch {
	case s.closed:
		return coordinator.ErrClosed
	case s.handler != nil:
		return errors.New("serve: the session serves already")
	}
	s.handler, s.records, s.peers = h, s.newMailbox(), s.newMailbox()
	for _, b := range buckets {
		s.subscribe(s.subjects.Stored(b, ">"), "", s.records, func(m Msg) { s.foreignRecord(m) })
	}
	s.subscribe(s.subjects.Probe(s.cfg.Node), "", s.peers, func(Msg) {})
	s.subscribe(s.subjects.Wake(s.cfg.Node), "", s.peers, func(Msg) { h.Woken() })
	s.serveControl()
	return nil
}

// subscribe needs the lock of NATS.
func (s *Session) subscribe(filter, queue string, box *mailbox, f func(Msg)) *subscription {
	sub := &subscription{filter: filter, queue: queue, owner: s, deliver: func(m Msg) { box.put(func() { f(m) }) }}
	if !s.severed {
		s.n.broker.add(sub)
	}
	return sub
}

// deliverRecord is called under the lock of NATS.
func (s *Session) deliverRecord(r view.Record) { s.records.put(func() { s.handler.Record(r) }) }

// foreignRecord is a message that somebody published on the subject of a bucket's own.
func (s *Session) foreignRecord(m Msg) {
	s.handler.Undecodable(m.Subject, errors.New("not a message of the bucket's stream"))
}

// Lead starts (or ends) to listen to what only the coordinator hears.
func (s *Session) Lead(_ context.Context, on bool) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	switch {
	case s.closed:
		return coordinator.ErrClosed
	case on == (len(s.lead) > 0):
		return nil
	case !on:
		for _, sub := range s.lead {
			s.n.broker.remove(sub)
		}
		s.lead = nil
		return nil
	case s.handler == nil:
		return errors.New("lead: the session does not serve yet; call Serve first")
	}
	opened := &protocol.Beats{}
	s.lead = []*subscription{
		s.subscribe(s.subjects.Beat(), "", s.peers, func(m Msg) { s.beat(opened, m) }),
		s.subscribe(s.subjects.RelayAll(), "", s.peers, s.control),
	}
	return nil
}

func (s *Session) beat(opened *protocol.Beats, m Msg) {
	b, err := opened.Open(s.subjects.Beat(), m.Data)
	if err != nil {
		s.handler.Undecodable(m.Subject, err)
		return
	}
	s.handler.Beat(b, func(a protocol.BeatAnswer) { s.answer(s.subjects.Beat(), m, &a) })
}

func (s *Session) control(m Msg) {
	verb := strings.TrimPrefix(m.Subject, s.subjects.Relay(""))
	s.handler.Control(verb, "", m.Data, func(data []byte, p *protocol.Problem) {
		_ = s.replyNode(problemMessage(m.Reply, data, p)) // a closed session answers nobody
	})
}

func (s *Session) answer(subject string, m Msg, a protocol.Message) {
	data, err := protocol.EncodeSigned(s.cfg.Keys, subject, a)
	if err == nil {
		_ = s.replyNode(Msg{Subject: m.Reply, Data: data}) // a closed session answers nobody
	}
}

// reply sends an answer, if its subject is one for answers.
func (s *Session) reply(m Msg) error {
	if protocol.ValidateClientReply(m.Subject) != nil {
		return nil
	}
	return s.send(m)
}

// replyNode does the same for a request that only nodes may send.
func (s *Session) replyNode(m Msg) error {
	if protocol.ValidateReply(m.Subject) != nil {
		return nil
	}
	return s.send(m)
}

// send publishes a message from this node.
func (s *Session) send(m Msg) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.closed {
		return coordinator.ErrClosed
	}
	if !s.severed {
		s.n.publish(s.cfg.Node, m)
	}
	return nil
}
