package inmem

import (
	"context"
	"fmt"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Beat sends a heartbeat to the coordinator. ErrNoResponders if there is none.
func (s *Session) Beat(ctx context.Context, b protocol.Beat) (protocol.BeatAnswer, error) {
	subject := s.subjects.Beat()
	return ask(ctx, s, subject, &b, func(data []byte) (protocol.BeatAnswer, error) { return protocol.OpenBeatAnswer(subject, &b, data) })
}

// ask returns the first answer that open takes.
func ask[T any](ctx context.Context, s *Session, subject string, req protocol.Message, open func([]byte) (T, error)) (answer T, err error) {
	data, err := protocol.EncodeSigned(s.cfg.Keys, subject, req)
	if err != nil {
		return answer, err
	}
	_, err = s.n.requestUntil(ctx, s, Msg{Subject: subject, Data: data}, func(m Msg) bool {
		var wrong error
		answer, wrong = open(m.Data)
		return wrong == nil
	})
	if err != nil {
		var none T
		return none, fmt.Errorf("ask %s: %w", subject, err)
	}
	return answer, nil
}

// Probe asks whether anybody listens for a node; if nobody does, Handler.NoInterest is called.
func (s *Session) Probe(node string) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	switch {
	case s.closed:
		return coordinator.ErrClosed
	case s.severed:
		return nil
	}
	if !s.n.publish(s.cfg.Node, Msg{Subject: s.subjects.Probe(node)}) && s.peers != nil {
		s.peers.put(func() { s.handler.NoInterest(node) })
	}
	return nil
}

// Wake asks a node for a heartbeat now.
func (s *Session) Wake(node string) error { return s.send(Msg{Subject: s.subjects.Wake(node)}) }

// Ping asks the connection's own server for a sign of life.
func (s *Session) Ping(ctx context.Context) error {
	s.n.mu.Lock()
	closed, severed, latency := s.closed, s.severed, s.n.latency
	s.n.mu.Unlock()
	switch {
	case closed:
		return coordinator.ErrClosed
	case !severed:
		return sleep(ctx, latency)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return coordinator.ErrClosed
	}
}

// Connected asks the server of a connection whether it is still open.
func (s *Session) Connected(ctx context.Context, c protocol.Conn) (view.Evidence, error) {
	s.n.mu.Lock()
	closed, severed, latency := s.closed, s.severed, s.n.latency
	s.n.mu.Unlock()
	if closed {
		return view.Unknown, coordinator.ErrClosed
	}
	if err := sleep(ctx, latency); err != nil {
		return view.Unknown, nil
	}
	if !severed {
		if e := s.n.connected(c); e != view.Unknown {
			return e, nil
		}
	}
	select {
	case <-ctx.Done():
		return view.Unknown, nil
	case <-s.done:
		return view.Unknown, coordinator.ErrClosed
	}
}

// Kick has a node's connection closed by its server.
func (s *Session) Kick(ctx context.Context, node string, c protocol.Conn) error {
	e, err := s.Connected(ctx, c)
	if err != nil {
		return err
	}
	s.n.mu.Lock()
	x, access := s.n.sessions[c], s.n.access
	s.n.mu.Unlock()
	switch {
	case !access:
		return coordinator.ErrNoResponders
	case e == view.Unknown:
		return ctx.Err()
	case x == nil || x.cfg.Hub != s.cfg.Hub || x.cfg.Node != node:
		return coordinator.ErrConflict
	}
	x.end()
	return nil
}

// report tells the hub's other sessions that one was closed. It needs the lock of NATS.
func (n *NATS) report(closed *Session) {
	if !n.access {
		return
	}
	for _, s := range n.sessions {
		if s.cfg.Hub == closed.cfg.Hub && s.peers != nil {
			s.peers.put(func() { s.handler.ConnReported(closed.conn) })
		}
	}
}

// Announce publishes messages in order. One that is too large keeps no other back.
func (s *Session) Announce(msgs []coordinator.Message) error {
	var failed error
	for i := range msgs {
		if len(msgs[i].Data) > s.cfg.MaxPayload {
			failed = errTooLarge
			continue
		}
		if err := s.send(Msg{Subject: msgs[i].Subject, Data: msgs[i].Data}); err != nil {
			return err
		}
	}
	return failed
}
