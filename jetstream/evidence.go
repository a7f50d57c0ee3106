package jetstream

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// Every account may ask this of all servers, without any configuration.
const connectionsSubject = "$SYS.REQ.ACCOUNT.PING.CONNZ"

// connections is a server's answer: which of its connections are open in the account that asked.
type connections struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Data *struct {
		ServerID    string `json:"server_id"`
		Connections []struct {
			Client uint64 `json:"cid"`
			Name   string `json:"name"`
		} `json:"connections"`
	} `json:"data"`
	Error json.RawMessage `json:"error"`
}

// holder is what the server of a connection says of it.
type holder struct {
	evidence view.Evidence
	name     string // of an open connection: that which its client gave
}

// Connected asks all servers for the one connection, and believes only that server which held it. If
// that one doesn't answer before ctx ends, nothing is known, which is no error.
func (s *Session) Connected(ctx context.Context, c protocol.Conn) (view.Evidence, error) {
	h, err := s.holder(ctx, c)
	return h.evidence, err
}

func (s *Session) holder(ctx context.Context, c protocol.Conn) (holder, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	answers := make(chan *nats.Msg, 64)
	inbox := s.nc.NewInbox()
	sub, err := s.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return holder{}, fmt.Errorf("ask for a connection: %w", portError(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only on a closed connection
	question := fmt.Sprintf(`{"cid":%d,"state":0}`, c.Client)
	if err := s.nc.PublishRequest(connectionsSubject, inbox, []byte(question)); err != nil {
		return holder{}, fmt.Errorf("ask for a connection: %w", portError(err))
	}
	return s.evidence(ctx, c, answers)
}

func (s *Session) evidence(ctx context.Context, c protocol.Conn, answers <-chan *nats.Msg) (holder, error) {
	for {
		select {
		case m := <-answers:
			if isNoResponders(m) {
				return holder{}, nil
			}
			if h := judge(c, m.Data); h.evidence != view.Unknown {
				return h, nil
			}
		case <-ctx.Done():
			return holder{}, nil
		case <-s.done:
			return holder{}, fmt.Errorf("ask for a connection: %w", portError(nats.ErrConnectionClosed))
		}
	}
}

// judge says what one server's answer proves of a connection. The id stands in the answer twice: a
// server that does not know the account answers with an empty list under an empty id.
func judge(c protocol.Conn, data []byte) holder {
	var a connections
	if err := json.Unmarshal(data, &a); err != nil || len(a.Error) > 0 || a.Data == nil {
		return holder{}
	}
	if c.Server == "" || a.Server.ID != c.Server || a.Data.ServerID != c.Server || a.Data.Connections == nil {
		return holder{}
	}
	if len(a.Data.Connections) == 0 {
		return holder{evidence: view.Closed}
	}
	first := a.Data.Connections[0]
	if first.Client != c.Client {
		return holder{} // it answered another question
	}
	return holder{view.Open, first.Name}
}
