package jetstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
)

// Ending is closed when the server is going to close the connection: it said that it shuts down (lame duck mode), or the
// credentials expire and there are newer ones.
func (s *Session) Ending() <-chan struct{} { return s.ending }

func (s *Session) endsSoon() { s.ends.Do(func() { close(s.ending) }) }

// Beside opens a second session, whose transport is this one's. It is called again only after it failed.
func (s *Session) Beside(ctx context.Context, h coordinator.Handler) (coordinator.Session, error) {
	cfg := s.cfg
	cfg.Avoid, cfg.Known, cfg.Learned = s.server, true, learnedOf(s.Learned(), cfg.Learned)
	next := newSession(cfg)
	next.transport = s.transport
	if err := next.open(ctx); err != nil {
		return nil, err
	}
	if err := next.Serve(ctx, h); err != nil {
		next.Close()
		return nil, err
	}
	s.beside.Store(next)
	next.before.Store(s)
	if s.life.Err() != nil || next.life.Err() != nil { // it may have ended before the other knew of it
		s.beside.Store(nil)
		next.before.Store(nil)
		next.Close()
		return nil, fmt.Errorf("open a second connection: %w", coordinator.ErrClosed)
	}
	return next, nil
}

// endBoth has the other one of two sessions end with this one: while a node is on its way from one to the other, it needs both.
func (s *Session) endBoth() {
	if next := s.beside.Load(); next != nil && !s.parted.Load() {
		next.nc.Close()
	}
	if first := s.before.Load(); first != nil && !first.parted.Load() {
		first.nc.Close()
	}
}

// Part says that the session that Beside opened goes on without this one.
func (s *Session) Part() { s.parted.Store(true) }

// Carry moves the transport to the session that Beside opened.
func (s *Session) Carry(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.transport.carry(ctx, s.beside.Load())
}

// Heir returns the session that took this one's place; nil if none did.
func (s *Session) Heir() *Session {
	if s.transport.session() == s {
		return nil
	}
	return s.beside.Load()
}

// present returns the session that is in this one's place by now.
func (s *Session) present() *Session {
	if s.Heir() == nil {
		return s
	}
	return s.transport.session()
}

// relayLinger is for how long a session that retires waits for the coordinator's answers to what was asked over it.
const relayLinger = 10 * time.Second

// Retire ends this session alone.
func (s *Session) Retire(ctx context.Context) {
	defer s.forgotten()
	for _, sub := range s.endpoints {
		_ = sub.Drain() // fails only on a closed connection
	}
	if s.flush(ctx) != nil {
		return
	}
	for begin := time.Now(); s.relayed.Load() > 0 && time.Since(begin) < relayLinger; {
		if pause(ctx, relayPause) != nil {
			return
		}
	}
}

// forgotten closes this session, of which the next one then knows nothing any more.
func (s *Session) forgotten() {
	s.shut()
	if next := s.beside.Load(); next != nil {
		next.before.Store(nil)
	}
}

// carry has requests arrive over another session, and returns when none arrives over the present one any more. A child that is
// opened or closed meanwhile is so over both.
func (t *Transport) carry(ctx context.Context, to *Session) error {
	if err := t.hearReleases(to); err != nil {
		return err
	}
	from := t.session()
	if err := t.openOver(to); err != nil {
		return fmt.Errorf("open children over another connection: %w", portError(err))
	}
	if err := to.flush(ctx); err != nil {
		return err
	}
	if err := from.reaches(ctx, to); err != nil {
		return err
	}
	if err := pause(ctx, t.Spread()); err != nil {
		return fmt.Errorf("open children over another connection: %w", err)
	}
	if err := t.drainOld(); err != nil {
		return fmt.Errorf("close children over the connection before: %w", portError(err))
	}
	if err := from.flush(ctx); err != nil {
		return err
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	t.forgetOld()
	return nil
}

// reaches returns when a message has come from one session to another. Its server then knows all that the other one had subscribed
// to before: what another server is just passing on to the old subscription it passes on to the new one. Without that such a
// message is lost, without a word.
func (s *Session) reaches(ctx context.Context, to *Session) error {
	arrived := make(chan struct{}, 1)
	subject := to.nc.NewInbox()
	sub, err := to.subscribe(subject, hintsPending, func(*nats.Msg) {
		select {
		case arrived <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only on a closed connection
	again := time.NewTicker(reachEvery)
	defer again.Stop()
	for {
		if err := s.nc.Publish(subject, nil); err != nil {
			return fmt.Errorf("reach the other connection: %w", portError(err))
		}
		select {
		case <-arrived:
			return nil
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("reach the other connection: %w", ctx.Err())
		}
	}
}

// openOver subscribes over a session to what is open, and makes that the present one.
func (t *Transport) openOver(to *Session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for child, o := range t.subs {
		sub, err := to.nc.ChanQueueSubscribe(o.sub.Subject, o.sub.Queue, t.requests)
		if err != nil {
			return err
		}
		t.subs[child] = &openChild{sub: sub, at: time.Now(), s: to, old: o}
	}
	t.present.Store(to)
	return nil
}

func (t *Transport) drainOld() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.subs {
		if o.old == nil {
			continue
		}
		if err := o.old.sub.Drain(); err != nil {
			return err
		}
	}
	return nil
}

func (t *Transport) forgetOld() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.subs {
		o.old = nil
	}
}

// reachEvery is how often it is tried whether one session reaches the other.
const reachEvery = 5 * time.Millisecond

const (
	lookLeast = 100 * time.Millisecond
	lookMost  = 5 * time.Second
)

// keepCredentials looks whether credentials that expire were renewed where they are read from: a server closes a connection whose
// credentials have expired.
func (s *Session) keepCredentials() {
	ends := expiry(s.nc.Opts.UserJWT)
	if ends.IsZero() {
		return
	}
	for pause(s.life, min(max(time.Until(ends)/4, lookLeast), lookMost)) == nil {
		if expiry(s.nc.Opts.UserJWT).After(ends) {
			s.endsSoon()
			return
		}
	}
}

// expiry returns when credentials expire; zero if they don't, or it can't be told.
func expiry(read nats.UserJWTHandler) time.Time {
	if read == nil {
		return time.Time{}
	}
	text, err := read()
	if err != nil {
		return time.Time{}
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(claims.Expires, 0)
}
