package phub_test

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// fakeHub answers as a hub would, by functions of the test.
type fakeHub struct {
	t        *testing.T
	url      string
	nc       *nats.Conn
	subjects protocol.Subjects
}

// setup starts a server, a fake hub on it, and a client of that.
func setup(t *testing.T) (*fakeHub, *phub.Client) {
	t.Helper()
	url := natstest.Single(t).URL()
	client, err := phub.NewClient(natstest.Connect(t, url), "h")
	if err != nil {
		t.Fatal(err)
	}
	return &fakeHub{t: t, url: url, nc: natstest.Connect(t, url), subjects: protocol.SubjectsOf("h")}, client
}

// serve answers what arrives on subject, one after the other, and counts it.
func (f *fakeHub) serve(subject string, answer func(n int, msg *nats.Msg)) *counter {
	f.t.Helper()
	c := &counter{}
	_, err := f.nc.QueueSubscribe(subject, "phub-1", func(msg *nats.Msg) { answer(c.next(), msg) })
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.nc.Flush(); err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fakeHub) respond(msg *nats.Msg, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		f.t.Error(err)
	}
	if err := msg.RespondMsg(&nats.Msg{Header: nats.Header{protocol.HeaderNode: {"node9"}}, Data: data}); err != nil {
		f.t.Error(err)
	}
}

// respondError answers as a worker does that returns an error.
func (f *fakeHub) respondError(msg *nats.Msg, code int, text string) {
	f.t.Helper()
	f.respondFailure(msg, code, text, nats.Header{protocol.HeaderEpoch: {"41"}})
}

// refuse answers as a replica does that takes nothing.
func (f *fakeHub) refuse(msg *nats.Msg) {
	f.t.Helper()
	f.respondFailure(msg, protocol.CodeNotActive, "passive", nats.Header{protocol.HeaderCause: {protocol.CauseNotActive}})
}

func (f *fakeHub) respondFailure(msg *nats.Msg, code int, text string, h nats.Header) {
	f.t.Helper()
	h.Set(protocol.HeaderErrorCode, strconv.Itoa(code))
	h.Set(protocol.HeaderError, text)
	h.Set(protocol.HeaderNode, "node9")
	if err := msg.RespondMsg(&nats.Msg{Header: h}); err != nil {
		f.t.Error(err)
	}
}

func (f *fakeHub) reply(msg *nats.Msg, node string, epoch uint64, data string) {
	h := nats.Header{}
	h.Set(protocol.HeaderNode, node)
	h.Set(protocol.HeaderEpoch, strconv.FormatUint(epoch, 10))
	if err := msg.RespondMsg(&nats.Msg{Header: h, Data: []byte(data)}); err != nil {
		f.t.Error(err)
	}
}

// counter counts calls.
type counter struct {
	mu sync.Mutex
	n  int
}

// next counts one more and returns how many there were before.
func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n - 1
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
