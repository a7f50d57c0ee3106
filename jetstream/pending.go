package jetstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// pending bounds what may wait in the client library for one subscription. What comes beyond is dropped, and counted.
type pending struct{ messages, bytes int }

var (
	recordsPending  = pending{64 << 10, 32 << 20} // live records of one bucket: what is dropped is read back
	messagesPending = pending{8 << 10, 16 << 20}  // what is sent again if it is not answered
	signedPending   = pending{1 << 10, 16 << 20}  // the same, if a signature is to be checked: who sent it waits no longer than half a second
	answersPending  = pending{64 << 10, 64 << 20} // what servers and streams answer; it is passed on at once
	hintsPending    = pending{1 << 10, 1 << 20}   // what is no more than a hint
	standInPending  = pending{1 << 10, 256 << 10} // requests to one child without a replica
)

// limited returns the subscription with its bounds set.
func limited(subject string, p pending, sub *nats.Subscription, err error) (*nats.Subscription, error) {
	if err == nil {
		err = sub.SetPendingLimits(p.messages, p.bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", subject, portError(err))
	}
	return sub, nil
}

func (s *Session) subscribe(subject string, p pending, f nats.MsgHandler) (*nats.Subscription, error) {
	sub, err := s.nc.Subscribe(subject, f)
	return limited(subject, p, sub, err)
}

// overflowed counts what the client library dropped of a subscription since it was looked at last, and has records
// read back. The library says when it begins to drop, not how much.
func (s *Session) overflowed(sub *nats.Subscription) {
	dropped, err := sub.Dropped()
	if err != nil {
		return // the subscription is over
	}
	s.mu.Lock()
	news := dropped - s.dropped[sub]
	s.dropped[sub] = dropped
	r := s.receiver
	s.mu.Unlock()
	if news <= 0 {
		return
	}
	s.cfg.Refused.Add(protocol.ReasonInbox, uint64(news))
	if b, ok := s.bucketOf(sub.Subject); ok && r != nil && !r.over() {
		r.h.Missed(b)
	}
}

// bucketOf returns the bucket whose live records come on a subscription.
func (s *Session) bucketOf(filter string) (protocol.Bucket, bool) {
	for _, b := range buckets {
		if filter == s.subjects.Stored(b, ">") {
			return b, true
		}
	}
	return "", false
}

// lookForOverflow looks at the subscriptions that have dropped something: more may have followed.
func (s *Session) lookForOverflow() {
	s.mu.Lock()
	subs := make([]*nats.Subscription, 0, len(s.dropped))
	for sub := range s.dropped {
		if sub.IsValid() {
			subs = append(subs, sub)
		} else {
			delete(s.dropped, sub)
		}
	}
	s.mu.Unlock()
	for _, sub := range subs {
		s.overflowed(sub)
	}
}

// tellOverflow has the log say, at most once a minute, that messages are dropped.
func (s *Session) tellOverflow(subject string) {
	if _, due := s.overflows.Due(time.Now()); due {
		s.log.Warn("messages come faster than this node takes them and are dropped; the status counts them", "hub", s.cfg.Hub, "node", s.cfg.Node, "subject", subject)
	}
}

// isOverflow reports whether the client library says that it drops messages of a subscription.
func isOverflow(sub *nats.Subscription, err error) bool {
	return sub != nil && errors.Is(err, nats.ErrSlowConsumer)
}
