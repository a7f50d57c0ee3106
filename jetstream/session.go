package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

const (
	defaultTimeout = 10 * time.Second // of a call whose context has no deadline
	dialTimeout    = 2 * time.Second  // for each server that is tried
	pingInterval   = 2 * time.Second
	maxPingsOut    = 2
)

// Config says how to open a session.
type Config struct {
	Hub         string
	Node        string
	Incarnation string
	// Keys sign what the session sends to other nodes. Default: it is not signed, and no other node takes it.
	Keys protocol.Signer
	// Dial connects with the caller's way of finding and trusting the servers, adding opts last.
	Dial func(opts ...nats.Option) (*nats.Conn, error)
	// Learned are the URLs of servers that an earlier session was told of; they are tried as well. Default none.
	Learned []string
	// Avoid is the URL of a server that is to be tried last, if others are known. Default none.
	Avoid string
	// HubID returns the id of the hub that the node follows at this moment; "" while it follows none. Default: always "".
	HubID func() string
	// Domain is the JetStream domain of the buckets. Default: that of the server that is connected to.
	Domain string
	// Replicas is of the buckets' streams. Default 0: as many as the NATS cluster allows, up to 3.
	Replicas int
	// Known says that an earlier session of this process found the buckets right: Open returns as soon
	// as it is connected, and looks after them in the background. So a node comes back while a
	// stream's leader is being elected. Default false.
	Known bool
	// Logger receives what no caller is told. Default: slog.Default.
	Logger *slog.Logger
	// Refused counts what the session refuses. Default: nothing is counted.
	Refused *refused.Counter
	// Control says how the node presents itself as a NATS service.
	Control ControlInfo
}

// ControlInfo is what `nats micro ls` and `info` show of a node.
type ControlInfo struct {
	Version     string            // a semantic version. Default 0.0.0
	Description string            // default "phub node"
	Labels      map[string]string // shown as metadata beside hub, node and incarnation
	// Patience is for how long a control request waits for a coordinator while none listens.
	// Default 5 s.
	Patience time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.HubID == nil {
		c.HubID = func() string { return "" }
	}
	if c.Control.Version = strings.TrimPrefix(c.Control.Version, "v"); c.Control.Version == "" {
		c.Control.Version = "0.0.0"
	}
	if c.Control.Description == "" {
		c.Control.Description = "phub node"
	}
	if c.Control.Patience == 0 {
		c.Control.Patience = 5 * time.Second
	}
	return c
}

// Session is one connection of a node to NATS. It implements coordinator.Session, and its Transport
// implements worker.Transport. Its methods may be called concurrently, also after it is closed: then
// they return coordinator.ErrClosed.
type Session struct {
	cfg      Config
	log      *slog.Logger
	subjects protocol.Subjects
	nc       *nats.Conn
	js       jetstream.JetStream
	conn     protocol.Conn
	server   string                 // its URL
	domain   atomic.Pointer[string] // that JetStream says; nil before it was asked

	done   chan struct{} // closed when the connection is
	once   sync.Once
	stop   context.CancelFunc
	life   context.Context // ends with the connection
	denied atomic.Pointer[deniedFunc]
	// rejections are what NATS refused.
	rejections rejections
	mend       mend
	made       string        // in the metadata of buckets that this session makes
	transport  *Transport    // of all sessions of which each took the place of the one before
	ending     chan struct{} // closed when the server is going to close the connection
	ends       sync.Once
	beside     atomic.Pointer[Session] // that is to take this one's place, or did,
	before     atomic.Pointer[Session] // and whose place this one is to take, or did
	parted     atomic.Bool             // the one beside goes on without this one
	endpoints  []*nats.Subscription    // to control requests
	relayed    atomic.Int64            // control requests that are being handed on
	probes     string                  // prefix of the inboxes to which probes are answered
	inboxes    *inboxes
	replies    refused.Seldom // what is logged of answers that are not sent,
	overflows  refused.Seldom // of messages that are dropped,
	junk       refused.Seldom // and of those that are not understood

	work sync.WaitGroup // goroutines that Close waits for

	mu       sync.Mutex
	receiver *receiver
	lead     []*nats.Subscription
	relays   *nats.Subscription            // of lead, and for a moment after it
	standIns map[string]*nats.Subscription // by child
	dropped  map[*nats.Subscription]int    // of those that dropped any: how many were counted
}

type deniedFunc func(error)

var (
	_ coordinator.Transferable = (*Session)(nil)
	_ worker.Transport         = (*Transport)(nil)
)

// Open dials a connection, tries once, and makes or checks the hub's buckets. An error that is an
// coordinator.ErrPermanent won't pass by itself; others may. Close the session when it is not needed any more.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	s := newSession(cfg)
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// open dials; the session is closed if that fails.
func (s *Session) open(ctx context.Context) error {
	nc, err := s.cfg.Dial(s.options(ctx))
	if err != nil {
		s.stop()
		return dialError(err)
	}
	if err := s.begin(ctx, nc); err != nil {
		s.Close()
		return err
	}
	return nil
}

func newSession(cfg Config) *Session {
	s := &Session{cfg: cfg.withDefaults(), subjects: protocol.SubjectsOf(cfg.Hub), done: make(chan struct{}), ending: make(chan struct{}), standIns: map[string]*nats.Subscription{}, dropped: map[*nats.Subscription]int{}}
	s.log, s.mend, s.made = s.cfg.Logger, newMend(), nuid.Next()
	s.transport = newTransport(s)
	s.life, s.stop = context.WithCancel(context.Background())
	return s
}

// options makes the connection one that never comes back by itself, whatever the caller asked for: a
// client that reconnects resubscribes, and sends what it held back, before anyone can stop it. Its inboxes are apart from
// the clients', unless the caller chose a prefix.
func (s *Session) options(ctx context.Context) nats.Option {
	timeout := dialTimeout
	if d, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(d)), time.Millisecond)
	}
	return func(o *nats.Options) error {
		o.Name = clientName(s.cfg.Hub, s.cfg.Node)
		o.AllowReconnect, o.RetryOnFailedConnect, o.ReconnectBufSize = false, false, -1
		o.NoEcho = false
		o.Timeout = timeout
		o.PingInterval, o.MaxPingsOut = pingInterval, maxPingsOut
		o.DisconnectedErrCB, o.ReconnectedCB = nil, nil
		o.ClosedCB = func(*nats.Conn) { s.end() }
		o.AsyncErrorCB = s.asyncError
		o.LameDuckModeHandler = func(*nats.Conn) { s.endsSoon() }
		addLearned(o, s.cfg.Learned)
		putLast(o, s.cfg.Avoid)
		return ownInboxes(s.cfg.Hub)(o)
	}
}

// ownInboxes gives the connection the inboxes of a hub's nodes, if the caller chose no others.
func ownInboxes(hub string) nats.Option {
	return func(o *nats.Options) error {
		if o.InboxPrefix == "" {
			o.InboxPrefix = protocol.NodeInboxes(hub)
		}
		return nil
	}
}

// clientName is what a node's connection is called. It is how servers' words on connections are told from
// those on others in the account.
func clientName(hub, node string) string { return "phub " + hub + " " + node }

func (s *Session) begin(ctx context.Context, nc *nats.Conn) error {
	if err := s.use(nc); err != nil {
		return err
	}
	s.work.Go(s.keepSettings)
	s.work.Go(s.keepCredentials)
	if s.cfg.Known {
		s.work.Go(s.keepBuckets)
		return nil
	}
	return s.setup(ctx)
}

// use takes the connection, and finds out its name.
func (s *Session) use(nc *nats.Conn) error {
	s.nc = nc
	s.conn, s.server = protocol.Conn{Server: nc.ConnectedServerId()}, nc.ConnectedUrl()
	cid, err := nc.GetClientID()
	if err != nil {
		return fmt.Errorf("name the connection: %w", portError(err))
	}
	s.conn.Client = cid
	s.probes = nc.NewInbox() + "."
	if s.inboxes, err = newInboxes(nc); err != nil {
		return fmt.Errorf("subscribe to inboxes: %w", portError(err))
	}
	js, err := newJetStream(nc, s.cfg.Domain)
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	s.js = js
	return nil
}

// newJetStream returns JetStream in a domain; an empty one is that of the connection's server.
func newJetStream(nc *nats.Conn, domain string) (jetstream.JetStream, error) {
	if domain == "" {
		return jetstream.New(nc)
	}
	return jetstream.NewWithDomain(nc, domain)
}

// setup makes or checks the buckets.
func (s *Session) setup(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return s.allowed(ctx, s.ensureBuckets)
}

// allowed calls f. NATS answers a denied request with silence, and tells the connection's error handler: that ends the wait. It
// is not called by two goroutines at once.
func (s *Session) allowed(ctx context.Context, f func(context.Context) error) error {
	ctx, deny := context.WithCancelCause(ctx)
	defer deny(nil)
	d := deniedFunc(deny)
	s.denied.Store(&d)
	defer s.denied.Store(nil)
	err := f(ctx)
	if _, said := errors.AsType[*SetupError](err); said {
		return err
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, nats.ErrPermissionViolation) {
		return deniedError(cause)
	}
	return err
}

// keepBuckets looks after the buckets until they are as they should be.
func (s *Session) keepBuckets() {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := s.setup(s.life)
		if err == nil || s.life.Err() != nil {
			return
		}
		if errors.Is(err, coordinator.ErrPermanent) {
			s.log.Error("check the hub's buckets", "hub", s.cfg.Hub, "error", err)
			return
		}
		s.log.Debug("check the hub's buckets", "hub", s.cfg.Hub, "error", err)
		select {
		case <-s.life.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (s *Session) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	if isOverflow(sub, err) {
		s.overflowed(sub)
		s.tellOverflow(subject)
		return
	}
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), protocol.DisconnectSubject) {
		s.log.Debug("servers' reports of closed connections are not for this user", "hub", s.cfg.Hub, "error", err)
		return
	}
	if s.replyDenied(err) {
		return
	}
	published, tell := s.rejections.publishDenied(err, time.Now())
	if f := s.denied.Load(); f != nil && errors.Is(err, nats.ErrPermissionViolation) {
		(*f)(err)
		return
	}
	if s.transport.refused(err) || published && !tell {
		return
	}
	s.log.Warn("NATS connection", "hub", s.cfg.Hub, "node", s.cfg.Node, "subject", subject, "error", err)
}

func (s *Session) end() {
	s.once.Do(func() {
		s.stop()
		close(s.done)
		s.endBoth()
	})
}

// Conn names the connection.
func (s *Session) Conn() protocol.Conn { return s.conn }

// Domain returns the JetStream domain of the buckets; "" if it is not known yet, or there is none.
func (s *Session) Domain() string {
	if d := s.domain.Load(); d != nil {
		return *d
	}
	return s.cfg.Domain
}

// Done is closed when the connection is closed, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Transport returns the session's side for requests to this node's replicas.
func (s *Session) Transport() worker.Transport { return s.transport }

// Close closes the connection at once, and that of a session beside it, and waits until all that they started has ended. It may
// be called more than once, but not from a handler.
func (s *Session) Close() {
	s.shut()
	if next := s.beside.Load(); next != nil {
		next.Close()
	}
}

// shut closes the session alone.
func (s *Session) shut() {
	s.mu.Lock()
	s.stop() // under the lock: no goroutine is started after it
	s.mu.Unlock()
	s.nc.Close()
	<-s.done
	s.work.Wait()
	if s.transport.session() == s {
		s.transport.work.Wait()
	}
}

// start runs f in a goroutine that Close waits for.
func (s *Session) start(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return coordinator.ErrClosed
	}
	s.work.Go(f)
	return nil
}

// Ping returns when this connection's own server has answered a PING that was sent after the call.
func (s *Session) Ping(ctx context.Context) error {
	s.lookForOverflow()
	return s.flush(ctx)
}

// flush returns when the server has seen all that was sent before.
func (s *Session) flush(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flush: %w", portError(err))
	}
	return nil
}
