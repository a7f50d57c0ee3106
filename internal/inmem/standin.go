package inmem

import (
	"strconv"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// StandIn starts or ends to answer requests to children that have no active replica.
func (s *Session) StandIn(children []protocol.Interest, on bool) error {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.closed {
		return coordinator.ErrClosed
	}
	for _, c := range children {
		child := c.Child
		sub := s.standIns[child]
		switch {
		case !on && sub != nil:
			delete(s.standIns, child)
			s.n.broker.remove(sub)
		case on && sub == nil:
			s.standIns[child] = s.subscribe(s.subjects.Request(child), c.QueueGroup(), s.peers, func(m Msg) {
				_ = s.reply(Msg{Subject: m.Reply, Header: map[string][]string{ // a closed session answers nobody
					protocol.HeaderNode:      {s.cfg.Node},
					protocol.HeaderErrorCode: {strconv.Itoa(view.StandInCode)},
					protocol.HeaderError:     {view.StandInText(child)},
				}})
			})
		}
	}
	return nil
}
