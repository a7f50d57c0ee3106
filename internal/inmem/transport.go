package inmem

import (
	"context"
	"errors"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

type transport struct {
	s *Session

	// Guarded by the lock of NATS.
	handler worker.Handler
	box     *mailbox
	subs    map[string]*subscription // by child
}

// Serve delivers what arrives to h until the session ends.
func (t *transport) Serve(h worker.Handler) error {
	t.s.n.mu.Lock()
	defer t.s.n.mu.Unlock()
	switch {
	case t.s.closed:
		return coordinator.ErrClosed
	case t.handler != nil:
		return errors.New("serve requests: the transport serves already")
	}
	t.handler, t.box = h, t.s.newMailbox()
	t.s.subscribe(t.s.subjects.Release(t.s.cfg.Node), "", t.box, t.release)
	return nil
}

func (t *transport) release(m Msg) {
	subject := t.s.subjects.Release(t.s.cfg.Node)
	r, err := protocol.OpenReleaseRequest(subject, m.Data)
	if err != nil {
		return
	}
	t.handler.Release(r, func(a protocol.ReleaseAnswer) { t.s.answer(subject, m, &a) })
}

// Open starts to take requests for the children.
func (t *transport) Open(_ context.Context, children []protocol.Interest) error {
	t.s.n.mu.Lock()
	defer t.s.n.mu.Unlock()
	switch {
	case t.s.closed:
		return coordinator.ErrClosed
	case t.handler == nil:
		return errors.New("open children: the transport does not serve yet; call Serve first")
	}
	for _, c := range children {
		if t.subs[c.Child] == nil {
			t.subs[c.Child] = t.s.subscribe(t.s.subjects.Request(c.Child), c.QueueGroup(), t.box, t.request)
		}
	}
	return nil
}

func (t *transport) request(m Msg) {
	r := &worker.Incoming{Child: t.s.subjects.ChildOfRequest(m.Subject), Data: m.Data, Header: m.Header}
	if m.Reply != "" {
		r.Reply = replier{t.s, m.Reply}
	}
	t.handler.Request(r)
}

type replier struct {
	s  *Session
	to string
}

// Reply sends the one reply.
func (r replier) Reply(header map[string][]string, data []byte) error {
	if len(data) > r.s.cfg.MaxPayload {
		return errTooLarge
	}
	return r.s.reply(Msg{Subject: r.to, Header: header, Data: data})
}

// Close ends to take requests for the children, and waits until what has arrived was delivered.
func (t *transport) Close(ctx context.Context, children []string) error {
	passed := make(chan struct{})
	if err := t.drain(children, func() { close(passed) }); err != nil {
		return err
	}
	select {
	case <-passed:
		return nil
	case <-t.s.done:
		return coordinator.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *transport) drain(children []string, then func()) error {
	t.s.n.mu.Lock()
	defer t.s.n.mu.Unlock()
	switch {
	case t.s.closed:
		return coordinator.ErrClosed
	case t.box == nil:
		return errors.New("close children: the transport does not serve yet; call Serve first")
	}
	for _, child := range children {
		if sub := t.subs[child]; sub != nil {
			t.s.n.broker.remove(sub)
			delete(t.subs, child)
		}
	}
	if !t.s.severed { // else the server's answer never comes
		t.box.put(then)
	}
	return nil
}

// AskRelease asks a node to let go of children.
func (t *transport) AskRelease(ctx context.Context, node string, r protocol.ReleaseRequest) (protocol.ReleaseAnswer, error) {
	subject := t.s.subjects.Release(node)
	return ask(ctx, t.s, subject, &r, func(data []byte) (protocol.ReleaseAnswer, error) {
		return protocol.OpenReleaseAnswer(subject, &r, data)
	})
}

var errTooLarge = errors.New("inmem: maximum payload exceeded")

// Spread is 0: there is one server.
func (t *transport) Spread() time.Duration { return 0 }

// MaxPayload is the size of the largest reply, in bytes.
func (t *transport) MaxPayload() int { return t.s.cfg.MaxPayload }
