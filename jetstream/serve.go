package jetstream

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

// Serve delivers what arrives to h, until the session ends, and returns when the server has registered
// the interest. It is called once.
func (s *Session) Serve(ctx context.Context, h coordinator.Handler) error {
	r := &receiver{s: s, h: h}
	s.mu.Lock()
	if s.receiver != nil {
		s.mu.Unlock()
		return errors.New("serve: the session serves already")
	}
	s.receiver = r
	s.mu.Unlock()
	for _, b := range buckets {
		if _, err := s.subscribe(s.subjects.Stored(b, ">"), recordsPending, func(m *nats.Msg) { r.record(b, m) }); err != nil {
			return err
		}
	}
	if _, err := s.subscribe(s.subjects.Probe(s.cfg.Node), hintsPending, func(*nats.Msg) {}); err != nil {
		return err
	}
	if _, err := s.subscribe(s.subjects.Wake(s.cfg.Node), hintsPending, func(*nats.Msg) { h.Woken() }); err != nil {
		return err
	}
	if _, err := s.subscribe(s.probes+"*", hintsPending, r.probed); err != nil {
		return err
	}
	if err := s.addService(); err != nil {
		return err
	}
	if err := s.flushed(ctx); err != nil {
		return err
	}
	if _, err := s.subscribe(protocol.DisconnectSubject, hintsPending, r.reported); err != nil { // last: it may be refused
		return err
	}
	return s.flush(ctx)
}

// Lead starts (or ends) to listen to what only the coordinator hears: heartbeats and relayed control
// requests.
func (s *Session) Lead(ctx context.Context, on bool) error {
	if err := s.setLead(on); err != nil {
		return err
	}
	return s.flush(ctx)
}

func (s *Session) setLead(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case on == (len(s.lead) > 0):
		return nil
	case !on:
		return s.endLead()
	case s.receiver == nil:
		return errors.New("lead: the session does not serve yet; call Serve first")
	}
	r, opened := s.receiver, &protocol.Beats{}
	beats, err := s.subscribe(s.subjects.Beat(), signedPending, func(m *nats.Msg) { r.beat(opened, m) })
	if err != nil {
		return err
	}
	if s.relays == nil {
		s.relays, err = s.subscribe(s.subjects.RelayAll(), messagesPending, r.control)
	}
	if err != nil {
		return errors.Join(err, beats.Unsubscribe())
	}
	s.lead = []*nats.Subscription{beats, s.relays}
	return nil
}

// relaysLinger is for how long a node that does not coordinate any more still takes relayed requests, to say so. Servers of a cluster
// tell each other of subscriptions, and a request that one of them sends to where nobody is any more is lost without a word.
const relaysLinger = 500 * time.Millisecond

// endLead takes no heartbeats any more, and after a moment no relayed requests. Those that have arrived by then are still taken: who asked
// would wait for an answer that nobody gives.
func (s *Session) endLead() error {
	err := portError(s.lead[0].Drain())
	s.lead = nil
	time.AfterFunc(relaysLinger, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.lead) == 0 && s.relays != nil {
			_ = s.relays.Drain() // fails only on a closed connection
			s.relays = nil
		}
	})
	return err
}

// receiver turns messages into calls of the handler.
type receiver struct {
	s *Session
	h coordinator.Handler
}

// over reports that the session is: the handler is not called any more.
func (r *receiver) over() bool { return r.s.life.Err() != nil }

func (r *receiver) record(b protocol.Bucket, m *nats.Msg) {
	if r.over() {
		return
	}
	rec, err := r.s.stored(b, m)
	if err != nil {
		r.h.Undecodable(m.Subject, err)
		return
	}
	r.h.Record(rec)
}

func (r *receiver) reported(m *nats.Msg) {
	if c, ok := reportedConn(r.s.cfg.Hub, m.Data); ok && !r.over() {
		r.h.ConnReported(c)
	}
}

func (r *receiver) probed(m *nats.Msg) {
	if node, ok := strings.CutPrefix(m.Subject, r.s.probes); ok && isNoResponders(m) && !r.over() {
		r.h.NoInterest(node)
	}
}
