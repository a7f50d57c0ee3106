package phub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// texts are 2 MB each, as JSON: plain, of what that writes in six bytes, and of what is no UTF-8 or would control a terminal.
var texts = map[string]string{
	"plain":   strings.Repeat("x", 2<<20),
	"escaped": strings.Repeat("\x01<", 2<<20/12),
	"broken":  strings.Repeat("\xff\n\x1b", 2<<20/11),
}

// patient is a hub of one node on a server that carries 16 MB, so that 2 MB come as far as phub.
func patient(t *testing.T) (*testHub, *nats.Conn) {
	t.Helper()
	url := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.MaxPayload = 16 << 20; o.MaxPending = 64 << 20 }}).URL()
	return newTestHub(t, url), natstest.Connect(t, url)
}

// spy hears all that phub itself publishes, and keeps the largest of each subject's kind.
type spy struct {
	mu      sync.Mutex
	largest map[string]int
}

func (s *spy) hear(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tokens := strings.Split(m.Subject, ".")
	kind := strings.Join(tokens[2:min(len(tokens), 5)], ".")
	s.largest[kind] = max(s.largest[kind], m.Size())
}

// TestTexts_InRequests puts a text of 2 MB in each field of each control request: the answer says in short what is wrong, and
// the hub goes on.
func TestTexts_InRequests(t *testing.T) {
	t.Parallel()
	h, nc := patient(t)
	h.join("n1")
	h.start(phub.Spec{Child: "fine", Kind: "who"})
	spec := `{"children":[{"child":"c","kind":"who",%s}]}`
	for name, text := range texts {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		q := string(quoted)
		for request, verb := range map[string]string{
			`{"children":[{"child":` + q + `,"kind":"who"}]}`:                        "start",
			`{"children":[{"child":"c","kind":` + q + `}]}`:                          "start",
			fmt.Sprintf(spec, `"args":{"a":`+q+`}`):                                  "start",
			fmt.Sprintf(spec, `"args":{`+q+`:"a"}`):                                  "start",
			fmt.Sprintf(spec, `"metadata":{"tag":`+q+`}`):                            "start",
			fmt.Sprintf(spec, `"restart":{"policy":`+q+`}`):                          "start",
			fmt.Sprintf(spec, `"restart":{"within":`+q+`}`):                          "start",
			fmt.Sprintf(spec, `"redundancy":{"strategy":`+q+`}`):                     "start",
			fmt.Sprintf(spec, `"redundancy":{"replication_factor":`+q+`}`):           "start",
			fmt.Sprintf(spec, `"redundancy":{"replication_model":`+q+`}`):            "start",
			fmt.Sprintf(spec, `"redundancy":{"redundancy_signal":`+q+`}`):            "start",
			`{"children":[{"child":"c","kind":"who"}],"wait":` + q + `}`:             "start",
			`{` + q + `:1,"children":[{"child":"c","kind":"who"}],"wait":"nothing"}`: "start",
			`{"children":[` + q + `]}`:                                               "stop",
			`{"child":` + q + `,"node":"n1"}`:                                        "move",
			`{"child":"fine","node":` + q + `}`:                                      "move",
			`{"child":` + q + `}`:                                                    "info",
			`{"filter":` + q + `}`:                                                   "ls",
			`{"node":` + q + `}`:                                                     "ls",
			`{"tag":` + q + `}`:                                                      "ls",
			`{"after":` + q + `}`:                                                    "ls",
			`{"limit":` + q + `}`:                                                    "ls",
			`{"after":` + q + `}` + strings.Repeat(" ", 10):                          "nodes",
			q: "move",
		} {
			msg, err := nc.RequestWithContext(h.ctx(20*time.Second), "phub."+h.name+".ctl."+verb, []byte(request))
			if err != nil {
				t.Errorf("%s %.60s (%s): no answer: %v", verb, request, name, err)
				continue
			}
			if msg.Size() > 16<<10 {
				t.Errorf("%s %.60s (%s): the answer has %d bytes: %.200q", verb, request, name, msg.Size(), msg.Data)
			}
		}
		msg, err := nc.RequestWithContext(h.ctx(20*time.Second), "phub."+h.name+".req.fine", []byte("x"))
		if err != nil || !strings.HasPrefix(string(msg.Data), "n1 ") {
			t.Errorf("after %s: %v, %v", name, msg, err)
		}
	}
}

// long is a worker that has a text of 2 MB to say, wherever it can say something.
type long struct{ where, text string }

func (l long) Start(context.Context, phub.Replica) error {
	switch l.where {
	case "start":
		return errors.New(l.text)
	case "start panic":
		panic(l.text)
	}
	return nil
}

func (l long) Run(ctx context.Context) error {
	if l.where == "run" {
		return errors.New(l.text)
	}
	<-ctx.Done()
	return nil
}

func (l long) Handle(_ context.Context, m *phub.Message) ([]byte, error) {
	switch l.where {
	case "error":
		return nil, errors.New(l.text)
	case "panic":
		panic(l.text)
	case "header":
		m.SetReplyHeader("X", l.text)
	case "header name":
		m.SetReplyHeader(l.text, "x")
	case "reply":
		return []byte(l.text), nil
	}
	return nil, nil
}

// TestTexts_OfWorkers has workers say 2 MB in each way that there is: nothing that phub makes of it is larger than NATS carries by
// default, each request is answered, and the hub goes on.
func TestTexts_OfWorkers(t *testing.T) {
	t.Parallel()
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, nc := patient(t)
			o := h.options("n1")
			log := &logBuffer{}
			o.Logger = slog.New(slog.NewTextHandler(log, nil))
			for _, where := range []string{"start", "start panic", "run", "error", "panic", "header", "header name", "reply"} {
				o.Kinds[strings.ReplaceAll(where, " ", "_")] = func(phub.Replica) (phub.Worker, error) { return long{where, text}, nil }
			}
			n, err := phub.Join(h.ctx(20*time.Second), o)
			if err != nil {
				t.Fatal(err)
			}
			heard := &spy{largest: map[string]int{}}
			if _, err := nc.Subscribe("phub."+h.name+".>", heard.hear); err != nil {
				t.Fatal(err)
			}
			var specs []phub.Spec
			for kind := range o.Kinds {
				specs = append(specs, phub.Spec{Child: "c_" + kind, Kind: kind, Restart: phub.Restart{Policy: protocol.Permanent, Max: 1}})
			}
			results := h.start(specs...)
			data, err := json.Marshal(results)
			if err != nil || len(data) > 64<<10 {
				t.Errorf("the answer has %d bytes: %v", len(data), err)
			}
			for _, kind := range []string{"error", "panic", "header", "header_name", "reply", "who"} {
				msg, err := nc.RequestWithContext(h.ctx(20*time.Second), "phub."+h.name+".req.c_"+kind, nil)
				if err != nil {
					t.Errorf("%s: %v", kind, err)
				} else if size := len(msg.Header.Get(protocol.HeaderError)); size > 2048 {
					t.Errorf("%s: the error has %d bytes", kind, size)
				}
			}
			h.eventually("who fails is given up", func() bool {
				st, err := h.client.Status(h.ctx(time.Second))
				return err == nil && st.Settled && st.NoActive >= 3
			})
			h.start(phub.Spec{Child: "after", Kind: "who"})
			if err := n.Leave(h.ctx(20 * time.Second)); err != nil {
				t.Error(err)
			}
			heard.mu.Lock()
			defer heard.mu.Unlock()
			for kind, size := range heard.largest {
				if size > 64<<10 && !strings.HasPrefix(kind, "req.") {
					t.Errorf("a message on %s has %d bytes", kind, size)
				}
			}
			if len(heard.largest) < 4 {
				t.Errorf("nothing was heard: %v", heard.largest)
			}
			if size := len(log.String()); size > 1<<20 {
				t.Errorf("the log has %d bytes", size)
			}
		})
	}
}
