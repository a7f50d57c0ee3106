package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

const requestBuffer = 64 << 10 // requests that may wait for the dispatcher

// Transport carries requests to the replicas of this node over its session's connection. It implements
// worker.Transport. All subscriptions share one channel: a subscription then costs a tenth of the memory
// of one with a goroutine, and requests stay in order.
type Transport struct {
	present  atomic.Pointer[Session]
	requests chan *nats.Msg
	work     sync.WaitGroup // the dispatcher, which outlives a session that another one takes the place of

	mu    sync.Mutex
	on    bool
	h     worker.Handler
	subs  map[string]*openChild
	marks map[*nats.Msg]chan struct{} // what Close put among the requests, and waits for

	unchecked int // errors since it was last known which subscriptions the server has; above 0 a check runs
}

func newTransport(s *Session) *Transport {
	t := &Transport{
		requests: make(chan *nats.Msg, requestBuffer),
		subs:     map[string]*openChild{}, marks: map[*nats.Msg]chan struct{}{},
	}
	t.present.Store(s)
	return t
}

// session returns the session over which requests arrive.
func (t *Transport) session() *Session { return t.present.Load() }

// Serve delivers what arrives to h until the session ends. It is called once, first.
func (t *Transport) Serve(h worker.Handler) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		return errors.New("serve requests: the transport serves already")
	}
	t.on, t.h = true, h
	s := t.session()
	if err := t.hearReleases(s); err != nil {
		return err
	}
	if s.life.Err() != nil {
		return coordinator.ErrClosed
	}
	t.work.Go(func() { t.dispatch(h) })
	return nil
}

func (t *Transport) hearReleases(s *Session) error {
	_, err := s.subscribe(s.subjects.Release(s.cfg.Node), signedPending, func(m *nats.Msg) { t.release(s, m) })
	return err
}

// dispatch hands requests on, one by one, until the session ends.
func (t *Transport) dispatch(h worker.Handler) {
	for {
		s := t.session()
		select {
		case m := <-t.requests:
			t.deliver(h, m)
		case <-s.done:
			if t.session() == s {
				return
			}
		}
	}
}

func (t *Transport) deliver(h worker.Handler, m *nats.Msg) {
	if m.Sub == nil { // only a mark has none
		t.mu.Lock()
		defer t.mu.Unlock()
		close(t.marks[m])
		delete(t.marks, m)
		return
	}
	// A server may deliver a message with another subject than the one subscribed to: that of a stream from which somebody's
	// consumer sends it here. Whom it reached is what counts.
	s := t.session()
	r := &request{in: worker.Incoming{Child: s.subjects.ChildOfRequest(m.Sub.Subject), Data: m.Data, Header: m.Header}, s: s, to: m.Reply}
	if m.Reply != "" {
		r.in.Reply = r
	}
	h.Request(&r.in)
}

// openChild is the subscription of one child.
type openChild struct {
	sub *nats.Subscription
	at  time.Time
	s   *Session   // over which it is
	old *openChild // over the session before, until nothing arrives there any more; nil: none
}

// request is an incoming request together with the way back.
type request struct {
	in worker.Incoming
	s  *Session
	to string
}

// Reply sends the one reply.
func (r *request) Reply(header map[string][]string, data []byte) error {
	return r.s.reply(r.to, header, data)
}

// Open starts to take requests for the children, and returns when the server has registered the
// interest. Those that are open stay so.
func (t *Transport) Open(ctx context.Context, children []protocol.Interest) error {
	for _, c := range children {
		if err := t.open(c); err != nil {
			return fmt.Errorf("open child %s: %w", c.Child, portError(err))
		}
	}
	return t.session().flush(ctx)
}

func (t *Transport) open(c protocol.Interest) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.on {
		return errors.New("the transport does not serve yet; call Serve first")
	}
	if t.subs[c.Child] != nil {
		return nil
	}
	s := t.session()
	sub, err := s.nc.ChanQueueSubscribe(s.subjects.Request(c.Child), c.QueueGroup(), t.requests)
	if err != nil {
		return err
	}
	t.subs[c.Child] = &openChild{sub: sub, at: time.Now(), s: s}
	return nil
}

// Close ends to take requests for the children. The server answers the flush after it has taken back
// the interest; so what it had sent before is in the channel by then, in front of the mark.
func (t *Transport) Close(ctx context.Context, children []string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	sessions, err := t.drain(children)
	if err != nil {
		return fmt.Errorf("close children: %w", portError(err))
	}
	for s := range sessions {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// drain takes back the interest on the servers; the client still takes what is on its way. It returns the sessions over which that is.
func (t *Transport) drain(children []string) (map[*Session]bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sessions := map[*Session]bool{t.session(): true}
	var errs []error
	for _, child := range children {
		o := t.subs[child]
		delete(t.subs, child)
		for ; o != nil; o = o.old {
			sessions[o.s] = true
			errs = append(errs, o.sub.Drain())
		}
	}
	return sessions, errors.Join(errs...)
}

// settle waits until all requests that have arrived so far were delivered.
func (t *Transport) settle(ctx context.Context) error {
	mark, passed := &nats.Msg{}, make(chan struct{})
	done := t.session().done
	t.mu.Lock()
	t.marks[mark] = passed
	t.mu.Unlock()
	select {
	case t.requests <- mark:
	case <-done:
		return fmt.Errorf("close children: %w", coordinator.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("close children: %w", ctx.Err())
	}
	select {
	case <-passed:
		return nil
	case <-done:
		return fmt.Errorf("close children: %w", coordinator.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("close children: %w", ctx.Err())
	}
}

// AskRelease asks a node to let go of children. coordinator.ErrNoResponders if it is not there.
func (t *Transport) AskRelease(ctx context.Context, node string, r protocol.ReleaseRequest) (protocol.ReleaseAnswer, error) {
	if err := protocol.ValidateNode(node); err != nil { // it becomes part of a subject
		return protocol.ReleaseAnswer{}, fmt.Errorf("ask for release: %w", err)
	}
	s := t.session()
	subject := s.subjects.Release(node)
	a, err := ask(ctx, s, subject, &r, func(data []byte) (protocol.ReleaseAnswer, error) {
		return protocol.OpenReleaseAnswer(subject, &r, data)
	})
	if err != nil {
		return protocol.ReleaseAnswer{}, fmt.Errorf("ask node %s for release: %w", node, err)
	}
	return a, nil
}

func (t *Transport) release(s *Session, m *nats.Msg) {
	subject, reply := s.subjects.Release(s.cfg.Node), m.Reply
	r, err := protocol.OpenReleaseRequest(subject, m.Data)
	if err != nil {
		s.notUnderstood(subject, fmt.Errorf("decode request for release: %w", err))
		return
	}
	t.h.Release(r, func(a protocol.ReleaseAnswer) { s.answer(subject, reply, &a) })
}

// spread is how long servers of a cluster are given to tell each other of a subscription. Measured: p99 2.4 ms between three
// servers on one machine.
const spread = 25 * time.Millisecond

// Spread is how long it takes until all servers know of a subscription that this one's own server has registered.
func (t *Transport) Spread() time.Duration {
	if t.session().nc.ConnectedClusterName() == "" {
		return 0
	}
	return spread
}

// MaxPayload is the size of the largest reply that NATS carries, in bytes.
func (t *Transport) MaxPayload() int { return int(t.session().nc.MaxPayload()) }
