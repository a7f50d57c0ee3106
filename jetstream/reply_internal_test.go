package jetstream

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func TestReplyDenied_KnowsAnswersFromWhatANodePublishesItself(t *testing.T) {
	t.Parallel()
	for text, answer := range map[string]bool{
		`Permissions Violation for Publish to "_INBOX.x"`:              true,
		`Permissions Violation for Publish to "orders.done"`:           true,
		`Permissions Violation for Publish to "$JS.API.INFO"`:          false,
		`Permissions Violation for Publish to "phub.h.mode.c"`:         false,
		`Permissions Violation for Publish to ""`:                      false,
		`Permissions Violation for Publish to "orders`:                 false,
		`Permissions Violation for Subscription to "phub.h.ctl.start"`: false,
	} {
		s := newSession(Config{Hub: "h", Node: "n"})
		defer s.stop()
		if got := s.replyDenied(fmt.Errorf("%w: %s", nats.ErrPermissionViolation, text)); got != answer {
			t.Errorf("%s: taken for a denied answer: %v, expected %v", text, got, answer)
		}
		if s.replyDenied(errors.New(text)) {
			t.Errorf("%s: no permission violation is taken for one", text)
		}
	}
}

func TestInboxes_OneDoesNotTellTheNext(t *testing.T) {
	t.Parallel()
	b := &inboxes{prefix: "p.", waiting: map[string]chan<- *nats.Msg{}}
	for range 1000 {
		b.open(nil)
	}
	if len(b.waiting) != 1000 {
		t.Errorf("%d inboxes of 1000 differ", len(b.waiting))
	}
	for token := range b.waiting {
		if len(token) < 20 {
			t.Fatalf("inbox %q can be guessed", token)
		}
	}
}

func TestSession_NamesThatAreNoneReachNoSubject(t *testing.T) {
	t.Parallel()
	s := newSession(Config{Hub: "h", Node: "n"}) // without a connection: nothing can be published
	defer s.stop()
	for _, name := range []string{"", ">", "*", "a.b", "a b", "a\r\nPUB x 0\r\n", "_view", "$KV", "ä"} {
		_, err := s.transport.AskRelease(t.Context(), name, protocol.ReleaseRequest{})
		for what, err := range map[string]error{"probe": s.Probe(name), "wake": s.Wake(name), "release": err} {
			if f := (*protocol.FieldError)(nil); !errors.As(err, &f) || f.Field != "node" {
				t.Errorf("%s of %q: %v", what, name, err)
			}
		}
	}
	for _, key := range []string{"", ">", "a.*", "a..b", "a b", "_other", "$x", "a\r\n"} {
		if err := s.checkWrites([]view.Write{{Key: key}}); err == nil {
			t.Errorf("a write to key %q", key)
		}
	}
}
