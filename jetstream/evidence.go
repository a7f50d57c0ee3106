package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

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

// Connected asks all servers for the one connection, and believes only that server which held it. "Open" it needs to say
// once, "closed" twice. If it doesn't before ctx ends, nothing is known, which is no error.
func (s *Session) Connected(ctx context.Context, c protocol.Conn) (view.Evidence, error) {
	h, err := s.holder(ctx, c)
	return h.evidence, err
}

func (s *Session) holder(ctx context.Context, c protocol.Conn) (holder, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	answers := make(chan *nats.Msg, 256)
	inbox := s.inboxes.open(answers)
	defer s.inboxes.close(inbox)
	q := inquiry{conn: c, replies: [2]string{inbox + ".1", inbox + ".2"}, answers: answers, gone: s.done}
	question := fmt.Sprintf(`{"cid":%d,"state":0}`, c.Client)
	q.ask = func(reply string) error { return s.nc.PublishRequest(connectionsSubject, reply, []byte(question)) }
	h, err := q.run(ctx)
	if err != nil {
		return holder{}, fmt.Errorf("ask for a connection: %w", portError(err))
	}
	return h, nil
}

// A server can call an open connection closed: while it reloads its configuration it takes each client out of its account
// and puts it back, and behind a leaf node it may answer for two accounts of different names. So it must say it twice, and
// must not say the opposite in between.
const (
	askedAgain   = 2 * time.Millisecond // from the first answer "closed" to the second question
	contradicted = time.Millisecond     // from the second answer "closed" to the end
)

// inquiry is two questions about one connection, the second of which is asked if the first one was answered "closed".
type inquiry struct {
	conn    protocol.Conn
	replies [2]string // where to each question is answered
	ask     func(reply string) error
	answers <-chan *nats.Msg
	gone    <-chan struct{} // closed when nothing can be asked any more

	said testimony
}

func (q *inquiry) run(ctx context.Context) (holder, error) {
	for i, pause := range [...]time.Duration{askedAgain, contradicted} {
		if err := q.ask(q.replies[i]); err != nil {
			return holder{}, err
		}
		if said, err := q.listen(ctx, i, pause); !said || err != nil {
			return q.said.open, err
		}
	}
	return q.said.holder(), nil
}

// listen takes answers until a question was answered "closed" and a pause is over. It returns false if there is nothing to
// wait for any more: the connection is open, or nothing will be known.
func (q *inquiry) listen(ctx context.Context, question int, pause time.Duration) (bool, error) {
	var over <-chan time.Time
	for {
		if q.said.closed[question] && over == nil {
			over = time.After(pause)
		}
		select {
		case m := <-q.answers:
			if !q.take(m) {
				return false, nil
			}
		case <-over:
			for len(q.answers) > 0 { // a select with two ready cases takes any
				if !q.take(<-q.answers) {
					return false, nil
				}
			}
			return true, nil
		case <-ctx.Done():
			return false, nil
		case <-q.gone:
			return false, nats.ErrConnectionClosed
		}
	}
}

// take returns false if nothing that may follow changes anything.
func (q *inquiry) take(m *nats.Msg) bool {
	if isNoResponders(m) {
		return false
	}
	if i := slices.Index(q.replies[:], m.Subject); i >= 0 {
		q.said.take(i, judge(q.conn, m.Data))
	}
	return q.said.open.evidence != view.Open
}

// testimony is what the server of a connection has said in answer to the two questions.
type testimony struct {
	open   holder // if it said that it is open
	closed [2]bool
}

func (t *testimony) take(question int, h holder) {
	switch h.evidence {
	case view.Open:
		t.open = h
	case view.Closed:
		t.closed[question] = true
	case view.Unknown:
	}
}

// holder is what is known if nothing more is said.
func (t *testimony) holder() holder {
	if t.open.evidence != view.Open && t.closed == [2]bool{true, true} {
		return holder{evidence: view.Closed}
	}
	return t.open
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
