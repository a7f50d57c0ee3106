package jetstream

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// StandIn starts or ends to answer requests to children that have no active replica. It does so in the
// queue group of their replicas, and ends with the connection.
func (s *Session) StandIn(children []protocol.Interest, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range children {
		child := c.Child
		sub := s.standIns[child]
		switch {
		case !on && sub != nil:
			delete(s.standIns, child)
			if err := sub.Unsubscribe(); err != nil {
				return portError(err)
			}
		case on && sub == nil:
			subject := s.subjects.Request(child)
			sub, err := s.nc.QueueSubscribe(subject, c.QueueGroup(), func(m *nats.Msg) { s.excuse(child, m) })
			if sub, err = limited(subject, standInPending, sub, err); err != nil {
				return err
			}
			s.standIns[child] = sub
		}
	}
	return nil
}

func (s *Session) excuse(child string, m *nats.Msg) {
	header := nats.Header{
		protocol.HeaderNode:      {s.cfg.Node},
		protocol.HeaderErrorCode: {strconv.Itoa(view.StandInCode)},
		protocol.HeaderError:     {view.StandInText(child)},
	}
	if err := s.reply(m.Reply, header, nil); err != nil {
		s.log.Debug("answer for a child without a replica", "child", child, "error", err)
	}
}
