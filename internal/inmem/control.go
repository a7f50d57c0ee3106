package inmem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

const (
	relayPause = 20 * time.Millisecond
	relayLimit = 5 * time.Minute
)

// serveControl takes control requests in a queue group with the other nodes. It needs the lock of NATS.
func (s *Session) serveControl() {
	prefix := s.subjects.Control("")
	s.subscribe(prefix+"*", "q", s.peers, func(m Msg) {
		s.n.mu.Lock()
		defer s.n.mu.Unlock()
		if !s.closed { // Close waits for the work that was begun before
			s.work.Go(func() { s.relay(strings.TrimPrefix(m.Subject, prefix), m) })
		}
	})
}

func (s *Session) relay(verb string, m Msg) {
	a, err := s.askCoordinator(verb, m.Data)
	switch {
	case s.life.Err() != nil:
		return
	case errors.Is(err, coordinator.ErrNoResponders):
		a = problemMessage("", nil, &protocol.Problem{Code: protocol.CodeHubNotServed, Message: fmt.Sprintf("hub %s has no coordinator for %v; nothing was done", s.cfg.Hub, s.cfg.Patience), Try: "wait until a node has taken over, then ask again"})
	case err != nil:
		a = problemMessage("", nil, &protocol.Problem{Code: protocol.CodeCancelled, Message: "the coordinator did not answer; whether it did anything is unknown", Try: "look at the state, then ask again"})
	}
	a.Subject, a.Reply = m.Reply, ""
	_ = s.reply(a) // a closed session answers nobody
}

func (s *Session) askCoordinator(verb string, data []byte) (Msg, error) {
	ctx, cancel := context.WithTimeout(s.life, relayLimit)
	defer cancel()
	for begin := time.Now(); ; {
		m, err := s.n.request(ctx, s, Msg{Subject: s.subjects.Relay(verb), Data: data})
		if err == nil && slices.Equal(m.Header[protocol.HeaderCause], []string{protocol.CauseHandedOn}) {
			err = coordinator.ErrNoResponders
		}
		if !errors.Is(err, coordinator.ErrNoResponders) || time.Since(begin) > s.cfg.Patience {
			return m, err
		}
		if err := sleep(ctx, relayPause); err != nil {
			return Msg{}, err
		}
	}
}

func problemMessage(reply string, data []byte, p *protocol.Problem) Msg {
	m := Msg{Subject: reply, Data: data}
	if p == nil {
		return m
	}
	header, text := p.Answer()
	if m.Header = header; len(data) == 0 {
		m.Data = text
	}
	return m
}
