package phub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// TestStart_MindsWhatTheConnectionCarries runs on a server that carries 64 kB.
func TestStart_MindsWhatTheConnectionCarries(t *testing.T) {
	t.Parallel()
	url := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.MaxPayload = 64 << 10 }}).URL()
	h := newTestHub(t, url)
	h.join("n1")
	spec := func(i int) phub.Spec {
		return phub.Spec{Child: fmt.Sprintf("c%d", i), Kind: "who", Args: map[string]string{"x": strings.Repeat("x", 10_000)}}
	}
	specs := make([]phub.Spec, 40)
	for i := range specs {
		specs[i] = spec(i)
	}
	for _, r := range h.start(specs...) {
		if r.Error != nil {
			t.Errorf("%s: %v", r.Child, r.Error)
		}
	}
	specs[7].Args["x"] = strings.Repeat("x", 65_000)
	_, err := h.client.Start(t.Context(), specs, nil)
	if err == nil || !errors.Is(err, nats.ErrMaxPayload) || !strings.Contains(err.Error(), "child 8: found 65") {
		t.Errorf("got %v, want what is too long for NATS, and where", err)
	}
}

// TestStop_AsksForFewerWhenTheAnswerIsTooLarge has a hub that can't send an answer for more than three children.
func TestStop_AsksForFewerWhenTheAnswerIsTooLarge(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	gone := map[string]bool{}
	hub.serve(hub.subjects.Control(protocol.VerbStop), func(_ int, msg *nats.Msg) {
		var req protocol.StopRequest
		if err := json.Unmarshal(msg.Data, &req); err != nil {
			t.Error(err)
		}
		resp := protocol.StopResponse{}
		for _, child := range req.Children {
			r := phub.ChildResult{Child: child}
			if gone[child] {
				r.Error = &phub.Problem{Code: protocol.CodeNotFound, Message: "no such child"}
			}
			gone[child] = true
			resp.Results = append(resp.Results, r)
		}
		if len(req.Children) > 3 {
			hub.respondFailure(msg, protocol.CodeTooLarge, "the answer is too large", nats.Header{})
			return
		}
		hub.respond(msg, resp)
	})
	names := make([]string, 10)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	last := 0
	results, err := client.Stop(t.Context(), names, func(done, _ int) { last = done })
	if err != nil || last != len(names) {
		t.Errorf("got %v, %d of %d", err, last, len(names))
	}
	for i, r := range results {
		if r.Child != names[i] || r.Error != nil {
			t.Errorf("got %+v, want %s stopped", r, names[i])
		}
	}
}
