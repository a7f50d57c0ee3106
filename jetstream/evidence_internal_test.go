package jetstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func TestJudge_BelievesOnlyTheServerThatHeldTheConnection(t *testing.T) {
	t.Parallel()
	c := protocol.Conn{Server: "S", Client: 7}
	for answer, want := range map[string]view.Evidence{
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[{"cid":7}]}}`:             view.Open,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[]}}`:                      view.Closed,
		`{"server":{"id":"T"},"data":{"server_id":"T","connections":[]}}`:                      view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"T","connections":[]}}`:                      view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"","connections":null}}`:                     view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S"}}`:                                       view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[{"cid":8}]}}`:             view.Unknown,
		`{"server":{"id":"S"},"error":{"code":500,"description":"x"}}`:                         view.Unknown,
		`{"server":{"id":"S"},"data":{"server_id":"S","connections":[]},"error":{"code":500}}`: view.Unknown,
		`{"server":{"id":"S"}}`: view.Unknown,
		`junk`:                  view.Unknown,
		``:                      view.Unknown,
	} {
		if got := judge(c, []byte(answer)).evidence; got != want {
			t.Errorf("%s: %v, want %v", answer, got, want)
		}
	}
	if got := judge(protocol.Conn{}, []byte(`{"server":{"id":""},"data":{"server_id":"","connections":[]}}`)).evidence; got != view.Unknown {
		t.Errorf("a connection without a server: %v", got)
	}
}

// heard is an answer that arrives at an instant after the first question was asked.
type heard struct {
	at      time.Duration
	replyTo string
	data    string
}

// The server S is asked for its connection 7.
const (
	saysOpen   = `{"server":{"id":"S"},"data":{"server_id":"S","connections":[{"cid":7,"name":"n"}]}}`
	saysClosed = `{"server":{"id":"S"},"data":{"server_id":"S","connections":[]}}`
	elsewhere  = `{"server":{"id":"T"},"data":{"server_id":"T","connections":[]}}`
	nobody     = "nobody listens"
)

// inquire runs an inquiry with these answers, and returns what was found, after how long, and when which question was asked.
func inquire(t *testing.T, answers []heard) (holder, time.Duration, map[string]time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began, asked := time.Now(), map[string]time.Duration{}
	arriving := make(chan *nats.Msg, 16)
	for _, a := range answers {
		m := &nats.Msg{Subject: a.replyTo, Data: []byte(a.data)}
		if a.data == nobody {
			m.Data, m.Header = nil, nats.Header{headerStatus: {noResponders}}
		}
		time.AfterFunc(a.at, func() { arriving <- m })
	}
	q := inquiry{conn: protocol.Conn{Server: "S", Client: 7}, replies: [2]string{"r.1", "r.2"}, answers: arriving, ask: func(reply string) error {
		asked[reply] = time.Since(began)
		return nil
	}}
	h, err := q.run(ctx)
	if err != nil {
		t.Error(err)
	}
	return h, time.Since(began), asked
}

func TestInquiry_ClosedMustBeSaidTwiceAndOpenOnce(t *testing.T) {
	t.Parallel()
	const ms, us = time.Millisecond, time.Microsecond
	const never = time.Second
	open, closed, unknown := holder{view.Open, "n"}, holder{evidence: view.Closed}, holder{}
	for name, c := range map[string]struct {
		answers []heard
		want    holder
		after   time.Duration
		again   time.Duration // when the second question is asked; 0: it isn't
	}{
		"closed, closed":                         {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", saysClosed}}, closed, 5 * ms, 3 * ms},
		"open":                                   {[]heard{{ms, "r.1", saysOpen}}, open, ms, 0},
		"closed, open to the first":              {[]heard{{ms, "r.1", saysClosed}, {ms + us, "r.1", saysOpen}}, open, ms + us, 0},
		"open, closed to the first":              {[]heard{{ms, "r.1", saysOpen}, {ms + us, "r.1", saysClosed}}, open, ms, 0},
		"closed, then open":                      {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", saysOpen}}, open, 4 * ms, 3 * ms},
		"closed, closed, open in time":           {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", saysClosed}, {5*ms - us, "r.2", saysOpen}}, open, 5*ms - us, 3 * ms},
		"open to the first, in time":             {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", saysClosed}, {5*ms - us, "r.1", saysOpen}}, open, 5*ms - us, 3 * ms},
		"closed once":                            {[]heard{{ms, "r.1", saysClosed}}, unknown, never, 3 * ms},
		"closed twice to the first":              {[]heard{{ms, "r.1", saysClosed}, {2 * ms, "r.1", saysClosed}, {5 * ms, "r.1", saysClosed}}, unknown, never, 3 * ms},
		"closed to the second alone":             {[]heard{{ms, "r.2", saysClosed}, {2 * ms, "r.2", saysClosed}}, unknown, never, 0},
		"closed to no question":                  {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.3", saysClosed}}, unknown, never, 3 * ms},
		"another server":                         {[]heard{{ms, "r.1", elsewhere}, {2 * ms, "r.1", elsewhere}}, unknown, never, 0},
		"the second time another server":         {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", elsewhere}}, unknown, never, 3 * ms},
		"others in between":                      {[]heard{{ms, "r.1", elsewhere}, {2 * ms, "r.1", saysClosed}, {5 * ms, "r.2", elsewhere}, {6 * ms, "r.2", saysClosed}}, closed, 7 * ms, 4 * ms},
		"junk":                                   {[]heard{{ms, "r.1", "junk"}, {2 * ms, "r.1", ""}, {3 * ms, "", saysOpen}}, unknown, never, 0},
		"junk in between":                        {[]heard{{ms, "r.1", saysClosed}, {2 * ms, "r.2", "junk"}, {4 * ms, "r.2", saysClosed}}, closed, 5 * ms, 3 * ms},
		"no answer":                              {nil, unknown, never, 0},
		"nobody listens":                         {[]heard{{ms, "r.1", nobody}}, unknown, ms, 0},
		"closed, then nobody listens":            {[]heard{{ms, "r.1", saysClosed}, {4 * ms, "r.2", nobody}}, unknown, 4 * ms, 3 * ms},
		"closed, closed when the time is over":   {[]heard{{ms, "r.1", saysClosed}, {never - ms/2, "r.2", saysClosed}}, unknown, never, 3 * ms},
		"a server takes its time":                {[]heard{{100 * ms, "r.1", saysClosed}, {203 * ms, "r.2", saysClosed}}, closed, 204 * ms, 102 * ms},
		"answers in the wrong order, all in all": {[]heard{{ms, "r.2", saysClosed}, {2 * ms, "r.1", saysClosed}}, closed, 5 * ms, 4 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			got, after, asked := inquire(t, c.answers)
			if got != c.want || after != c.after {
				t.Errorf("%s: found %+v after %v, expected %+v after %v", name, got, after, c.want, c.after)
			}
			if asked["r.2"] != c.again || len(asked) > 2 {
				t.Errorf("%s: asked at %v, expected the second question at %v", name, asked, c.again)
			}
		})
	}
}

// A select with two ready cases takes any. What has arrived when the time is over is heard all the same.
func TestInquiry_HearsWhatHasArrivedByTheEnd(t *testing.T) {
	t.Parallel()
	for range 100 {
		answers := make(chan *nats.Msg, 1)
		answers <- &nats.Msg{Subject: "r.2", Data: []byte(saysOpen)}
		q := inquiry{conn: protocol.Conn{Server: "S", Client: 7}, replies: [2]string{"r.1", "r.2"}, answers: answers}
		q.said.closed = [2]bool{true, true}
		if said, err := q.listen(t.Context(), 1, -1); said || err != nil || q.said.holder().evidence != view.Open {
			t.Fatalf("found %+v (%v, %v), expected it to be open", q.said.holder(), said, err)
		}
	}
}

func TestInquiry_EndsWithTheConnection(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	close(gone)
	q := inquiry{gone: gone, ask: func(string) error { return nil }}
	if h, err := q.run(t.Context()); h.evidence != view.Unknown || !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("found %+v, %v; expected nothing and that the connection is closed", h, err)
	}
	refused := errors.New("refused")
	q = inquiry{ask: func(string) error { return refused }}
	if h, err := q.run(t.Context()); h.evidence != view.Unknown || !errors.Is(err, refused) {
		t.Errorf("found %+v, %v; expected nothing and the error", h, err)
	}
}
