package inmem

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/phub-io/phub/coordinator"
)

// Msg is a message as a subscriber gets it.
type Msg struct {
	Subject string
	Reply   string
	Header  map[string][]string
	Data    []byte
}

const (
	headerStatus = "Status"
	noResponders = "503"
)

func (m *Msg) isNoResponders() bool {
	return len(m.Data) == 0 && len(m.Header[headerStatus]) > 0 && m.Header[headerStatus][0] == noResponders
}

// subscription is one interest. deliver is called under the lock of NATS and must not block.
type subscription struct {
	filter  string
	queue   string
	owner   *Session // nil for a plain client
	deliver func(Msg)
}

func (s *subscription) node() string {
	if s.owner == nil {
		return ""
	}
	return s.owner.cfg.Node
}

// broker is core NATS. All methods need the lock of NATS.
type broker struct {
	exact map[string][]*subscription
	wild  []*subscription
	turn  int // of the members of queue groups
	inbox int
}

func newBroker() *broker { return &broker{exact: map[string][]*subscription{}} }

func (b *broker) add(s *subscription) {
	if isWild(s.filter) {
		b.wild = append(b.wild, s)
		return
	}
	b.exact[s.filter] = append(b.exact[s.filter], s)
}

func (b *broker) remove(s *subscription) {
	same := func(o *subscription) bool { return o == s }
	if isWild(s.filter) {
		b.wild = slices.DeleteFunc(b.wild, same)
		return
	}
	left := slices.DeleteFunc(b.exact[s.filter], same)
	if len(left) == 0 {
		delete(b.exact, s.filter)
		return
	}
	b.exact[s.filter] = left
}

func (b *broker) removeOwner(o *Session) {
	own := func(s *subscription) bool { return s.owner == o }
	b.wild = slices.DeleteFunc(b.wild, own)
	for filter, subs := range b.exact {
		if left := slices.DeleteFunc(subs, own); len(left) == 0 {
			delete(b.exact, filter)
		} else {
			b.exact[filter] = left
		}
	}
}

// targets returns who gets a message: everyone outside of queue groups, and one of each group.
func (b *broker) targets(subject string) []*subscription {
	var all []*subscription
	groups := map[string][]*subscription{}
	choose := func(s *subscription) {
		if s.queue == "" {
			all = append(all, s)
			return
		}
		groups[s.queue] = append(groups[s.queue], s)
	}
	for _, s := range b.exact[subject] {
		choose(s)
	}
	for _, s := range b.wild {
		if matches(s.filter, subject) {
			choose(s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		b.turn++
		all = append(all, groups[name][b.turn%len(groups[name])])
	}
	return all
}

func (b *broker) newInbox() string {
	b.inbox++
	return "_INBOX." + strconv.Itoa(b.inbox)
}

// publish delivers a message from a node ("" for others) and reports whether anybody is interested.
// It needs the lock of NATS.
func (n *NATS) publish(from string, m Msg) bool {
	targets := n.broker.targets(m.Subject)
	for _, s := range targets {
		if n.drop == nil || !n.drop(from, s.node(), m.Subject) {
			s.deliver(m)
		}
	}
	if len(targets) == 0 && m.Reply != "" {
		n.publish("", Msg{Subject: m.Reply, Header: map[string][]string{headerStatus: {noResponders}}})
	}
	return len(targets) > 0
}

// request sends a message and waits for the first answer.
func (n *NATS) request(ctx context.Context, owner *Session, m Msg) (Msg, error) {
	return n.requestUntil(ctx, owner, m, func(Msg) bool { return true })
}

// requestUntil sends a message and waits for the first answer that is taken.
func (n *NATS) requestUntil(ctx context.Context, owner *Session, m Msg, takes func(Msg) bool) (Msg, error) {
	answers := make(chan Msg, 64)
	sub := &subscription{owner: owner, deliver: func(m Msg) {
		select {
		case answers <- m:
		default:
		}
	}}
	done, err := n.ask(owner, sub, m)
	if err != nil {
		return Msg{}, err
	}
	defer n.unsubscribe(sub)
	for {
		select {
		case a := <-answers:
			if a.isNoResponders() {
				return Msg{}, coordinator.ErrNoResponders
			}
			if takes(a) {
				return a, nil
			}
		case <-done:
			return Msg{}, coordinator.ErrClosed
		case <-ctx.Done():
			return Msg{}, ctx.Err()
		}
	}
}

// ask subscribes to an inbox and publishes m with it as the reply subject. The channel is that of the
// owner's end, nil for a plain client.
func (n *NATS) ask(owner *Session, sub *subscription, m Msg) (<-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var done <-chan struct{}
	from := ""
	if owner != nil {
		if owner.closed {
			return nil, coordinator.ErrClosed
		}
		if owner.severed {
			return owner.done, nil
		}
		from, done = owner.cfg.Node, owner.done
	}
	sub.filter = n.broker.newInbox()
	m.Reply = sub.filter
	n.broker.add(sub)
	n.publish(from, m)
	return done, nil
}

func (n *NATS) unsubscribe(s *subscription) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.broker.remove(s)
}
