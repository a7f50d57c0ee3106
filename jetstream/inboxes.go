package jetstream

import (
	"crypto/rand"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// inboxes take the answers of many to one question, over one subscription that a session makes at its beginning. A
// connection that has all the subscriptions that it may have can so still ask.
type inboxes struct {
	prefix string // with a dot at the end

	mu      sync.Mutex
	waiting map[string]chan<- *nats.Msg // by the token after the prefix
}

func newInboxes(nc *nats.Conn) (*inboxes, error) {
	b := &inboxes{prefix: nc.NewInbox() + ".", waiting: map[string]chan<- *nats.Msg{}}
	sub, err := nc.Subscribe(b.prefix+">", b.take)
	_, err = limited(b.prefix+">", answersPending, sub, err)
	return b, err
}

// open returns a new inbox, without a dot at the end, whose answers and those to subjects below it go to the channel.
// What the channel has no room for is dropped. The inbox must be closed.
func (b *inboxes) open(to chan<- *nats.Msg) string {
	token := rand.Text() // who saw one inbox must not know the next, and answer there before it is asked for
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[token] = to
	return b.prefix + token
}

func (b *inboxes) close(inbox string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, strings.TrimPrefix(inbox, b.prefix))
}

// consumerPrefix begins the names of a session's consumers; the token of the inbox that each delivers to follows.
const consumerPrefix = "phub-"

// consumer returns the name for a consumer that delivers to an inbox. No other goes: what it delivers bears the
// subject under which it was stored, and of the inbox there is nothing to see but that name.
func (b *inboxes) consumer(inbox string) string {
	return consumerPrefix + strings.TrimPrefix(inbox, b.prefix)
}

// tokenOf returns the token of the inbox to which a message was sent; "" if that can't be told.
func (b *inboxes) tokenOf(m *nats.Msg) string {
	if below, ok := strings.CutPrefix(m.Subject, b.prefix); ok {
		token, _, _ := strings.Cut(below, ".")
		return token
	}
	md, err := m.Metadata()
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(md.Consumer, consumerPrefix)
}

func (b *inboxes) take(m *nats.Msg) {
	token := b.tokenOf(m)
	b.mu.Lock()
	defer b.mu.Unlock()
	if to := b.waiting[token]; to != nil {
		select {
		case to <- m:
		default:
		}
	}
}
