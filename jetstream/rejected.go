package jetstream

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/protocol"
)

// NATS refuses what is published without permission beside the call: nobody answers, and the server tells the connection which
// subject it was.

var deniedPublishing = regexp.MustCompile(`Publish to "([^"]*)"`)

// deniedPublish returns the subject to which err says that the user may not publish.
func deniedPublish(err error) (string, bool) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return "", false
	}
	m := deniedPublishing.FindStringSubmatch(err.Error())
	if m == nil {
		return "", false
	}
	return m[1], true
}

const (
	// causeFresh is for how long a refusal explains what is not answered.
	causeFresh = 5 * time.Second
	// deniedAgain is how long a subject must not have been refused until the log has it again.
	deniedAgain = time.Minute
	// deniedMost is how many refused subjects are kept.
	deniedMost = 256
)

// rejections are what NATS refused this session: what it published, by subject, and what it asked of a bucket.
type rejections struct {
	mu     sync.Mutex
	denied map[string]denial
	last   denial // of a bucket
}

type denial struct {
	err error
	at  time.Time
}

// publishDenied takes an error of the connection. It reports whether it was about something published, and whether the log is to
// have it.
func (r *rejections) publishDenied(err error, now time.Time) (is, tell bool) {
	subject, ok := deniedPublish(err)
	if !ok {
		return false, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.denied[subject]
	if r.denied == nil || !known && len(r.denied) >= deniedMost {
		r.denied = map[string]denial{}
	}
	r.denied[subject] = denial{err, now}
	return true, !known || now.Sub(before.at) >= deniedAgain
}

// explains returns the newest refusal of a subject that is, just now; or nil.
func (r *rejections) explains(is func(subject string) bool, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var newest denial
	for subject, d := range r.denied {
		if is(subject) && d.at.After(newest.at) {
			newest = d
		}
	}
	if now.Sub(newest.at) >= causeFresh {
		return nil
	}
	return newest.err
}

func (r *rejections) bucketRejected(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = denial{err, now}
}

// recent returns what was refused of a bucket just now; or nil.
func (r *rejections) recent(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last.at) >= causeFresh {
		return nil
	}
	return r.last.err
}

// rejected reports whether an answer of JetStream's is a refusal that does not pass by itself.
func rejected(c jetstream.ErrorCode) bool {
	return c != 0 && !isPassing(c) && c != codeUnavailable && c != codeWrongLastSequence
}

// rejection returns what err means if NATS refused something of a bucket; or nil.
func (s *Session) rejection(b protocol.Bucket, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		of := func(subject string) bool {
			return strings.Contains(subject, b.Keys(s.cfg.Hub)) || strings.Contains(subject+".", "."+s.stream(b)+".")
		}
		if denied := s.rejections.explains(of, time.Now()); denied != nil {
			return fmt.Errorf("%w: %w", coordinator.ErrRejected, denied)
		}
		return nil
	}
	if rejected(codeOf(err)) {
		return fmt.Errorf("%w: %w", coordinator.ErrRejected, err)
	}
	return nil
}
