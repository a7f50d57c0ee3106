package jetstream_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	counts "github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// forbiddenReplies are subjects to which no node may answer. Where something listens, it is the test's own.
var forbiddenReplies = []string{
	"$JS.API.STREAM.PURGE.CANARY", "$JS.API.STREAM.DELETE.CANARY", "$JS.API.CONSUMER.DELETE.CANARY.c", "$KV.canary.key", "$CANARY.x", "$SRV.PING.canary",
	"phub.h.mode.c", "phub.h.event.node_lost.n", "phub.h.req.c", "phub.h.ctl.stop", "phub.h.int.coord.beat", "phub.h.int.node.n.release",
	"phub.h.int.kv.placement._view", "phub.other.req.x", "phub.other.ctl.stop", "phub._sys.kick.N", "phub", "phub.",
	"a..b", ".a", "a.", "a.*", "a.>", "*.h.mode.c", ">", "a\x01b", "a\x7fb", "a." + strings.Repeat("b", protocol.MaxReply),
}

// allowedReplies are inboxes, and other subjects that do no harm.
var allowedReplies = []string{"_INBOX.canary.1", "_INBOX_h.alice.x", "answers.here", "orders.$x"}

// answering is a session that answers to whatever can be asked of a node, beside a plain client.
type answering struct {
	*jetstream.Session
	nc      *nats.Conn
	refused *counts.Counter
	log     *lines
	service string // its id as a NATS service
}

func (a *answering) requests(t *testing.T) map[string]func() string {
	t.Helper()
	keys := protocol.NewKeys(rand.Reader)
	b := protocol.Incarnation{Node: "b", ID: keys.NewID()}
	signed := func(subject string, m protocol.Message) string {
		data, err := protocol.EncodeSigned(keys, subject, m)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	number := uint64(0) // no heartbeat is taken again
	beat := func() string {
		number++
		return signed("phub.h.int.coord.beat", &protocol.Beat{V: 1, Incarnation: b, Number: number, Conn: protocol.Conn{Server: "N", Client: 1}, Status: protocol.Up})
	}
	say := func(data string) func() string { return func() string { return data } }
	all := map[string]func() string{
		"phub.h.req.c": say(""), "phub.h.req.absent": say(""), "phub.h.ctl.status": say("{}"), "phub.h.int.coord.ctl.status": say("{}"),
		"phub.h.int.coord.beat":     beat,
		"phub.h.int.node.n.release": say(signed("phub.h.int.node.n.release", &protocol.ReleaseRequest{V: 1, From: "b", ID: b.ID, Children: []protocol.Release{{Child: "x", View: 4}}})),
	}
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		for _, of := range []string{"", ".phub", ".phub." + a.service} {
			all["$SRV."+verb+of] = say("")
		}
	}
	return all
}

// forbidden returns the reply subjects that no request on a subject may name: others than nodes may send most of them.
func (a *answering) forbidden(subject string) []string {
	if strings.HasPrefix(subject, "phub.h.int.") {
		return forbiddenReplies
	}
	return append([]string{protocol.NodeInboxes("other") + ".x.y"}, forbiddenReplies...)
}

func newAnswering(t *testing.T, srv *natsembed.Server, node, client []nats.Option) *answering {
	t.Helper()
	a := &answering{refused: &counts.Counter{}, log: &lines{}}
	a.Session = open(t, jetstream.Config{
		Hub: "h", Node: "n", Incarnation: "uuid", Dial: dial(srv.URL(), node...), Refused: a.refused, Logger: slog.New(slog.NewTextHandler(a.log, nil)),
		Control: jetstream.ControlInfo{Patience: 10 * time.Second},
	})
	if err := a.Serve(t.Context(), echoing{}); err != nil {
		t.Fatal(err)
	}
	tr := a.Transport()
	if err := tr.Serve(echoing{}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Open(t.Context(), []protocol.Interest{{Child: "c", Group: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := a.StandIn([]protocol.Interest{{Child: "absent", Group: 1}}, true); err != nil {
		t.Fatal(err)
	}
	if err := a.Lead(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	nc, err := dial(srv.URL(), client...)()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	a.nc = nc
	m, err := nc.Request("$SRV.PING.phub", nil, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var ping micro.Ping
	if err := json.Unmarshal(m.Data, &ping); err != nil || ping.ID == "" {
		t.Fatalf("answer to a ping: %s, %v", m.Data, err)
	}
	a.service = ping.ID
	return a
}

// echoing answers all that it is asked.
type echoing struct{ deaf }

func (echoing) Beat(_ protocol.Beat, answer func(protocol.BeatAnswer)) {
	answer(protocol.BeatAnswer{V: 1})
}

func (echoing) Request(in *worker.Incoming) {
	if in.Reply != nil {
		_ = in.Reply.Reply(nil, in.Data) // what is refused is counted
	}
}

func (echoing) Refused(string, error) {}

func (echoing) Release(r protocol.ReleaseRequest, answer func(protocol.ReleaseAnswer)) {
	answer(protocol.ReleaseAnswer{V: 1, Node: "n", Released: []string{r.Children[0].Child}})
}

// TestReply_NoRequestMakesANodePublishWhereItsSenderMayNot tries each forbidden subject with each that answers.
func TestReply_NoRequestMakesANodePublishWhereItsSenderMayNot(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	a := newAnswering(t, srv, nil, []nats.Option{nats.SkipSubjectValidation()})
	js, err := natsjs.New(a.nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), natsjs.KeyValueConfig{Bucket: "canary"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "key", []byte("sings")); err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "CANARY", Subjects: []string{"canary.>"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateConsumer(t.Context(), natsjs.ConsumerConfig{Durable: "c"}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "canary.x", []byte("sings")); err != nil {
		t.Fatal(err)
	}
	heard := make(chan *nats.Msg, 4096)
	for _, filter := range []string{
		"$CANARY.>", "$SRV.PING.canary", "phub.h.mode.>", "phub.h.event.>", "phub.h.int.kv.>", "phub.other.>", "phub._sys.>", "phub", "a.>", "_INBOX_other.>", "_INBOX.canary.>", "_INBOX_h.alice.>", "answers.>", "orders.>",
	} {
		if _, err := a.nc.ChanSubscribe(filter, heard); err != nil {
			t.Fatal(err)
		}
	}
	want := uint64(0)
	for subject, data := range a.requests(t) {
		for _, reply := range a.forbidden(subject) {
			want++
			if err := a.nc.PublishRequest(subject, reply, []byte(data())); err != nil {
				t.Fatalf("%q: %v", reply, err)
			}
		}
		for _, reply := range allowedReplies {
			if err := a.nc.PublishRequest(subject, reply, []byte(data())); err != nil {
				t.Fatal(err)
			}
			if m := receive(t, heard); m.Subject != reply {
				t.Fatalf("a request to %s was answered on %q; expected only %q", subject, m.Subject, reply)
			}
		}
	}
	eventually(t, "all are counted", func() bool { return a.refused.Counts()[protocol.ReasonReply] >= want })
	if got := a.refused.Counts()[protocol.ReasonReply]; got != want {
		t.Errorf("%d answers were refused, expected %d", got, want)
	}
	if len(heard) > 0 {
		t.Errorf("an answer went to %q", (<-heard).Subject)
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Msgs != 1 || info.State.Consumers != 1 {
		t.Errorf("the canary stream: %+v, %v", info, err)
	}
	if e, err := kv.Get(t.Context(), "key"); err != nil || string(e.Value()) != "sings" || e.Revision() != 1 {
		t.Errorf("the canary bucket: %v, %v", e, err)
	}
	if told := a.log.with("not answered"); len(told) != 1 || !strings.Contains(told[0], "reply: found ") {
		t.Errorf("the log says it %d times: %q", len(told), told)
	}
	select {
	case <-a.Done():
		t.Error("the connection was closed")
	default:
	}
}

func receive(t *testing.T, from <-chan *nats.Msg) *nats.Msg {
	t.Helper()
	select {
	case m := <-from:
		return m
	case <-time.After(20 * time.Second):
		t.Fatal("no answer within 20s")
		return nil
	}
}

// TestReply_DeniedByTheServerIsCounted has a node that may publish to inboxes only, as the permissions of docs/wire.md
// have it, be asked for answers elsewhere.
func TestReply_DeniedByTheServerIsCounted(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "node", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{
				Allow: []string{"$JS.API.>", "$KV.phub_h_nodes.>", "$SYS.REQ.ACCOUNT.PING.CONNZ", "phub.h.>", "_INBOX.>"},
			}}},
			{Username: "client", Password: "p"},
		}
	}})
	a := newAnswering(t, srv, []nats.Option{nats.UserInfo("node", "p")}, []nats.Option{nats.UserInfo("client", "p")})
	heard := make(chan *nats.Msg, 16)
	if _, err := a.nc.ChanSubscribe("orders.>", heard); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := a.nc.PublishRequest("phub.h.req.c", "orders.done", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.nc.Request("phub.h.req.c", nil, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the denied answers are counted", func() bool { return a.refused.Counts()[protocol.ReasonReply] == 3 })
	if len(heard) > 0 {
		t.Error("an answer went where the node may not publish")
	}
	if told := a.log.with("orders.done"); len(told) != 1 {
		t.Errorf("the log says it %d times: %q", len(told), told)
	}
}

// TestReply_TooLongForTheNodesServerDoesNotCloseItsConnection has a client ask whose server takes longer lines than the
// node's does.
func TestReply_TooLongForTheNodesServerDoesNotCloseItsConnection(t *testing.T) {
	t.Parallel()
	cluster := natstest.ClusterWith(t, natsembed.Config{Account: "TEST", Change: func(o *server.Options) {
		if strings.HasSuffix(o.ServerName, "-1") {
			o.MaxControlLine = 64 << 10
		}
	}})
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(cluster.Servers[1].URL()), Logger: slog.New(slog.DiscardHandler)})
	if err := s.Transport().Serve(echoing{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Transport().Open(t.Context(), []protocol.Interest{{Child: "c", Group: 1}}); err != nil {
		t.Fatal(err)
	}
	nc := natstest.Connect(t, cluster.Servers[0].URL())
	eventually(t, "the client's server knows of the child", func() bool {
		_, err := nc.Request("phub.h.req.c", nil, time.Second)
		return err == nil
	})
	if err := nc.PublishRequest("phub.h.req.c", "a."+strings.Repeat("b", 5000), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Request("phub.h.req.c", nil, 20*time.Second); err != nil {
		t.Errorf("the next request is not answered: %v", err)
	}
	select {
	case <-s.Done():
		t.Error("the node's server closed its connection")
	default:
	}
}

// TestControl_HandsOnlyErrorHeadersOn has a coordinator answer with a header on which a server acts.
func TestControl_HandsOnlyErrorHeadersOn(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler)})
	if err := s.Serve(t.Context(), deaf{}); err != nil {
		t.Fatal(err)
	}
	nc := natstest.Connect(t, srv.URL())
	_, err := nc.Subscribe("phub.h.int.coord.ctl.*", func(m *nats.Msg) {
		_ = nc.PublishMsg(&nats.Msg{Subject: m.Reply, Data: []byte("{}"), Header: nats.Header{ // a lost one is asked for in vain
			"Nats-Trace-Dest": {"phub.h.mode.c"}, protocol.HeaderNode: {"n"}, protocol.HeaderErrorCode: {"404"}, protocol.HeaderError: {"no such child"},
		}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request("phub.h.ctl.info", []byte("{}"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Header) != 3 || m.Header.Get(protocol.HeaderErrorCode) != "404" || m.Header.Get(protocol.HeaderError) != "no such child" ||
		m.Header.Get(protocol.HeaderNode) != "n" {
		t.Errorf("headers %v, expected the error's and the node alone", m.Header)
	}
}

// TestTransport_ChildIsTheOneOfTheSubscription has a consumer of another stream deliver its messages to a child. The
// server gives them the subject under which they were stored.
func TestTransport_ChildIsTheOneOfTheSubscription(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
	asked := make(chan string, 16)
	if err := s.Transport().Serve(askedFor(asked)); err != nil {
		t.Fatal(err)
	}
	if err := s.Transport().Open(t.Context(), []protocol.Interest{{Child: "a", Group: 1}}); err != nil {
		t.Fatal(err)
	}
	nc := natstest.Connect(t, srv.URL())
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "S", Subjects: []string{"phub.h.req.b"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("phub.h.req.b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddConsumer("S", &nats.ConsumerConfig{DeliverSubject: "phub.h.req.a", DeliverGroup: "phub-1", AckPolicy: nats.AckNonePolicy}); err != nil {
		t.Fatal(err)
	}
	select {
	case child := <-asked:
		if child != "a" {
			t.Errorf("a message that was delivered to child a is one for child %q", child)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the message was not delivered within 20s")
	}
}

// askedFor is a worker.Handler that says for which children requests arrive.
type askedFor chan string

func (askedFor) Refused(string, error)                                         {}
func (a askedFor) Request(in *worker.Incoming)                                 { a <- in.Child }
func (askedFor) Release(protocol.ReleaseRequest, func(protocol.ReleaseAnswer)) {}

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// with returns the lines that contain s.
func (l *lines) with(s string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.b.String()) {
		if strings.Contains(line, s) {
			found = append(found, line)
		}
	}
	return found
}
