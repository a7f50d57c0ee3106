package phub

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// ErrForeign is in what a request returns when somebody answered who is no node of a hub: a stream that records the
// subject, most often, or another program's service.
var ErrForeign = errors.New("phub: the answer is not phub's")

// foreign returns an error if a message is not the answer of a node: each of those names itself.
func foreign(subject, hub string, msg *nats.Msg) error {
	if msg.Header.Get(protocol.HeaderNode) != "" {
		return nil
	}
	if err := protocol.StreamAnswers(hub, subject, msg.Data); err != nil {
		return fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return fmt.Errorf("%w: found somebody who answers on %s without the header %s, expected a node of hub %s; try: nats micro ls, to see which services there are",
		ErrForeign, subject, protocol.HeaderNode, hub)
}
