package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

const (
	serviceName = "phub"
	relayPause  = 20 * time.Millisecond // between two tries while no coordinator listens
	relayMost   = 8 * relayPause        // while one hands its role on, which takes as long as what others wait for at it
	relayWait   = 10 * time.Second      // for an answer, beyond what the request itself allows
	maxWait     = 5 * time.Minute

	rejectedPatience = time.Second // with a hub that has no coordinator, while NATS refuses what the nodes write
)

var verbs = []string{
	protocol.VerbStart, protocol.VerbUpdate, protocol.VerbStop, protocol.VerbMove, protocol.VerbDrain, protocol.VerbSet,
	protocol.VerbList, protocol.VerbInfo, protocol.VerbNodes, protocol.VerbStatus,
}

// addService serves the control subjects as a NATS service: every node takes requests, in a queue
// group, and hands them on to the coordinator.
func (s *Session) addService() error {
	svc := newService(s)
	for _, verb := range verbs {
		room := newRoom(s.cfg.Node, verb)
		if err := svc.add(verb, s.subjects.Control(verb), room.bytes, func(m *nats.Msg) { s.relay(room, m.Reply, m.Data) }); err != nil {
			return err
		}
	}
	return svc.show()
}

// relay answers in a goroutine of its own, if there is room. Equal requests share that and their bytes; each is handed
// on, because only the coordinator knows what became of the one before.
func (s *Session) relay(r *room, reply string, data []byte) {
	c, problem := r.enter(data)
	if problem != nil {
		s.refuse(reply, problem)
		return
	}
	s.relayed.Add(1)
	err := s.start(func() {
		defer s.relayed.Add(-1)
		defer c.leave()
		s.respond(r.verb, reply, c.data)
	})
	if err != nil {
		s.relayed.Add(-1)
		c.leave()
	}
}

func (s *Session) respond(verb, reply string, data []byte) {
	m, err := s.askCoordinator(verb, data)
	switch cause := s.rejections.recent(time.Now()); {
	case s.life.Err() != nil:
	case errors.Is(err, coordinator.ErrNoResponders) && cause != nil:
		s.refuse(reply, &protocol.Problem{
			Code:    protocol.CodeNotStored,
			Message: protocol.Cut(fmt.Sprintf("hub %s has no coordinator; nothing was done: %v", s.cfg.Hub, cause), protocol.MaxText), Try: "phub doctor; then the same again, once NATS stores what the hub writes",
		})
	case errors.Is(err, coordinator.ErrNoResponders):
		s.refuse(reply, &protocol.Problem{Code: protocol.CodeHubNotServed, Message: fmt.Sprintf("hub %s has no coordinator for %v; nothing was done", s.cfg.Hub, s.cfg.Control.Patience), Try: "wait until a node has taken over, then ask again"})
	case err != nil:
		s.refuse(reply, &protocol.Problem{Code: protocol.CodeCancelled, Message: fmt.Sprintf("the coordinator of hub %s did not answer (%v); whether it did anything is unknown", s.cfg.Hub, err), Try: "look at the state, then ask again"})
	default:
		s.send(reply, errorHeader(m.Header), m.Data)
	}
}

// askCoordinator hands a request on. While nobody listens, or the coordinator hands its role on, it waits for the next one, and asks
// again. All tries have one inbox: of who was asked twice the first answer counts, as it came of what was done.
func (s *Session) askCoordinator(verb string, data []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(s.life, s.cfg.Control.Patience+relayTimeout(data))
	defer cancel()
	r := relayed{subject: s.subjects.Relay(verb), answers: make(chan *nats.Msg, answersWait), pause: relayPause}
	r.inbox = s.inboxes.open(r.answers)
	defer s.inboxes.close(r.inbox)
	for begin := time.Now(); ; {
		err := s.tryCoordinator(ctx, &r, data)
		patience := s.cfg.Control.Patience
		if r.handedOn {
			patience *= 2 // there is a coordinator
		}
		if s.rejections.recent(time.Now()) != nil {
			patience = min(patience, rejectedPatience)
		}
		if !errors.Is(err, coordinator.ErrNoResponders) || time.Since(begin) > patience {
			return r.answer, err
		}
		if err := pause(ctx, relayPause); err != nil {
			return nil, err
		}
	}
}

// relayed is a request that is handed on.
type relayed struct {
	subject, inbox string
	answers        chan *nats.Msg
	answer         *nats.Msg
	handedOn       bool          // in the last try
	pause          time.Duration // for which another answer is waited for then
}

// tryCoordinator asks once. That the role is being handed on counts as if nobody listened, unless somebody else answers a moment later.
func (s *Session) tryCoordinator(ctx context.Context, r *relayed, data []byte) error {
	if err := s.nc.PublishMsg(&nats.Msg{Subject: r.subject, Reply: r.inbox, Header: s.hubHeader(), Data: data}); err != nil {
		return portError(err)
	}
	try, end := context.WithCancel(ctx)
	defer end()
	r.handedOn = false
	err := s.takeUntil(try, r.subject, r.answers, func(m *nats.Msg) error {
		switch {
		case m.Header.Get(protocol.HeaderNode) == "":
			return fmt.Errorf("found one without the header %s, expected a node's", protocol.HeaderNode)
		case m.Header.Get(protocol.HeaderCause) == protocol.CauseHandedOn:
			if !r.handedOn {
				time.AfterFunc(r.pause, end)
			}
			r.handedOn = true
			return errOther
		}
		r.answer = m
		return nil
	})
	if r.handedOn && err != nil && ctx.Err() == nil {
		r.pause = min(2*r.pause, relayMost)
		return coordinator.ErrNoResponders
	}
	return err
}

// hubHeader says for which hub a request is, if the node knows.
func (s *Session) hubHeader() nats.Header {
	if id := s.cfg.HubID(); id != "" {
		return nats.Header{protocol.HeaderHub: {id}}
	}
	return nil
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
	header, data := problemMessage(nil, p)
	s.send(reply, header, data)
}

func (s *Session) send(reply string, header nats.Header, data []byte) {
	if err := s.reply(reply, s.named(header), data); err != nil {
		s.log.Debug("answer control request", "error", err)
	}
}

// named returns a header that names this node, by which its answer is told from anybody else's.
func (s *Session) named(header nats.Header) nats.Header {
	if header == nil {
		header = nats.Header{}
	}
	if id := s.cfg.HubID(); id != "" {
		header[protocol.HeaderHub] = []string{id}
	}
	header[protocol.HeaderNode] = []string{s.cfg.Node}
	return header
}

// errorHeader returns what of an answer's header is handed on: NATS itself acts on some others.
func errorHeader(h nats.Header) nats.Header {
	if h.Get(protocol.HeaderErrorCode) == "" {
		return nil
	}
	return nats.Header{
		protocol.HeaderErrorCode: {h.Get(protocol.HeaderErrorCode)},
		protocol.HeaderError:     {h.Get(protocol.HeaderError)},
	}
}
