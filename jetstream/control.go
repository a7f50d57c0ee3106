package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/phub-io/phub/protocol"
)

const (
	serviceName = "phub"
	relayPause  = 20 * time.Millisecond // between two tries while no coordinator listens
	relayWait   = 10 * time.Second      // for an answer, beyond what the request itself allows
	maxWait     = 5 * time.Minute
)

var verbs = []string{
	protocol.VerbStart, protocol.VerbStop, protocol.VerbMove, protocol.VerbList,
	protocol.VerbInfo, protocol.VerbNodes, protocol.VerbStatus,
}

// addService serves the control subjects as a NATS service: every node takes requests, in a queue
// group, and hands them on to the coordinator.
func (s *Session) addService() error {
	svc, err := micro.AddService(s.nc, s.serviceConfig())
	if err != nil {
		return fmt.Errorf("add NATS service %s: %w", serviceName, portError(err))
	}
	s.mu.Lock()
	s.service = svc
	s.mu.Unlock()
	for _, verb := range verbs {
		room := newRoom(s.cfg.Node, verb)
		h := micro.HandlerFunc(func(r micro.Request) { s.relay(room, r.Reply(), r.Data()) })
		err := svc.AddEndpoint(verb, h, micro.WithEndpointSubject(s.subjects.Control(verb)), micro.WithEndpointPendingLimits(roomAskers, room.bytes))
		if err != nil {
			return fmt.Errorf("add endpoint %s: %w", verb, portError(err))
		}
	}
	return nil
}

func (s *Session) serviceConfig() micro.Config {
	meta := maps.Clone(s.cfg.Control.Labels)
	if meta == nil {
		meta = map[string]string{}
	}
	meta["hub"], meta["node"], meta["incarnation"] = s.cfg.Hub, s.cfg.Node, s.cfg.Incarnation
	return micro.Config{
		Name: serviceName, Version: s.cfg.Control.Version, Description: s.cfg.Control.Description, Metadata: meta,
	}
}

// relay answers in a goroutine of its own, if there is room. Equal requests share that and their bytes; each is handed
// on, because only the coordinator knows what became of the one before.
func (s *Session) relay(r *room, reply string, data []byte) {
	c, problem := r.enter(data)
	if problem != nil {
		s.refuse(reply, problem)
		return
	}
	err := s.start(func() {
		defer c.leave()
		s.respond(r.verb, reply, c.data)
	})
	if err != nil {
		c.leave()
	}
}

func (s *Session) respond(verb, reply string, data []byte) {
	m, err := s.askCoordinator(verb, data)
	switch {
	case s.life.Err() != nil:
	case errors.Is(err, nats.ErrNoResponders):
		s.refuse(reply, &protocol.Problem{Code: protocol.CodeHubNotServed, Message: fmt.Sprintf("hub %s has no coordinator for %v; nothing was done", s.cfg.Hub, s.cfg.Control.Patience), Try: "wait until a node has taken over, then ask again"})
	case err != nil:
		s.refuse(reply, &protocol.Problem{Code: protocol.CodeCancelled, Message: fmt.Sprintf("the coordinator of hub %s did not answer (%v); whether it did anything is unknown", s.cfg.Hub, err), Try: "look at the state, then ask again"})
	default:
		s.send(&nats.Msg{Subject: reply, Header: m.Header, Data: m.Data})
	}
}

// askCoordinator hands a request on. While nobody listens, a takeover may be going on: it waits.
func (s *Session) askCoordinator(verb string, data []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(s.life, s.cfg.Control.Patience+relayTimeout(data))
	defer cancel()
	for begin := time.Now(); ; {
		m, err := s.nc.RequestWithContext(ctx, s.subjects.Relay(verb), data)
		if !errors.Is(err, nats.ErrNoResponders) || time.Since(begin) > s.cfg.Control.Patience {
			return m, err
		}
		if err := pause(ctx, relayPause); err != nil {
			return nil, err
		}
	}
}

// relayTimeout is for how long the answer to a request may take, by the request's own word.
func relayTimeout(data []byte) time.Duration {
	var req struct {
		Wait protocol.Duration `json:"wait"`
	}
	if err := json.Unmarshal(data, &req); err != nil || req.Wait <= 0 {
		req.Wait = protocol.Duration(relayWait)
	}
	return min(req.Wait.Std(), maxWait) + relayWait
}

func (s *Session) refuse(reply string, p *protocol.Problem) {
	s.send(problemMessage(reply, nil, p))
}

func (s *Session) send(m *nats.Msg) {
	if m.Subject == "" {
		return
	}
	if err := s.nc.PublishMsg(m); err != nil {
		s.log.Debug("answer control request", "error", err)
	}
}
