package inmem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// Config says how to open a session.
type Config struct {
	Hub  string
	Node string
	// Keys sign what the session sends to other nodes. Default: it is not signed, and no other node takes it.
	Keys protocol.Signer
	// Server is the server to connect to. Default S1.
	Server string
	// MaxPayload is the size of the largest reply. Default 1 MiB.
	MaxPayload int
	// Patience is for how long a control request waits for a coordinator. Default 5 s.
	Patience time.Duration
}

// Session is one connection to a NATS in memory. It implements coordinator.Session, and its Transport
// implements worker.Transport.
type Session struct {
	n        *NATS
	cfg      Config
	hub      *hub
	subjects protocol.Subjects
	conn     protocol.Conn
	done     chan struct{}
	life     context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup

	transport *transport

	// Guarded by the lock of NATS.
	closed, severed bool
	handler         coordinator.Handler
	records, peers  *mailbox
	lead            []*subscription
	standIns        map[string]*subscription // by child
}

var (
	_ coordinator.Session = (*Session)(nil)
	_ worker.Transport    = (*transport)(nil)
)

// Open opens a session.
func (n *NATS) Open(cfg Config) *Session {
	if cfg.Server == "" {
		cfg.Server = "S1"
	}
	if cfg.MaxPayload == 0 {
		cfg.MaxPayload = 1 << 20
	}
	if cfg.Patience == 0 {
		cfg.Patience = 5 * time.Second
	}
	s := &Session{n: n, cfg: cfg, subjects: protocol.SubjectsOf(cfg.Hub), done: make(chan struct{}), standIns: map[string]*subscription{}}
	s.life, s.stop = context.WithCancel(context.Background())
	s.transport = &transport{s: s, subs: map[string]*subscription{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients++
	s.hub = n.hub(cfg.Hub)
	s.conn = protocol.Conn{Server: serverID(cfg.Server, n.starts[cfg.Server]), Client: n.clients}
	n.sessions[s.conn] = s
	return s
}

// Conn names the connection.
func (s *Session) Conn() protocol.Conn { return s.conn }

// Domain returns "": there is none.
func (s *Session) Domain() string { return "" }

// Done is closed when the connection is closed, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Transport returns the session's side for requests to this node's replicas.
func (s *Session) Transport() worker.Transport { return s.transport }

// Close closes the connection and waits until all that the session started has ended. It may be called
// more than once, but not from a handler.
func (s *Session) Close() {
	s.end()
	s.work.Wait()
}

func (s *Session) end() {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.stop()
	s.n.broker.removeOwner(s)
	delete(s.n.sessions, s.conn)
	for _, b := range s.boxes() {
		b.close()
	}
	close(s.done)
	s.n.report(s)
}

func (s *Session) boxes() []*mailbox {
	var all []*mailbox
	for _, b := range []*mailbox{s.records, s.peers, s.transport.box} {
		if b != nil {
			all = append(all, b)
		}
	}
	return all
}

func (s *Session) newMailbox() *mailbox {
	return newMailbox(s.delay, s.work.Go)
}

func (s *Session) delay() time.Duration {
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.n.latency
}

// Commit stores writes in the placement bucket in the order given, all or none.
func (s *Session) Commit(ctx context.Context, writes []view.Write) (uint64, error) {
	return s.write(ctx, protocol.PlacementBucket, writes)
}

// WriteSpecs does the same in the children bucket.
func (s *Session) WriteSpecs(ctx context.Context, writes []view.Write) (uint64, error) {
	return s.write(ctx, protocol.ChildrenBucket, writes)
}

// WriteNode stores a node's record if the key's last revision is last.
func (s *Session) WriteNode(ctx context.Context, rec protocol.NodeRecord, last uint64) (uint64, error) {
	data, err := json.Marshal(rec)
	if err != nil {
		return 0, fmt.Errorf("encode record of node %s: %w", rec.Node, err)
	}
	return s.write(ctx, protocol.NodesBucket, []view.Write{{Key: rec.Node, Value: data, Last: last}})
}

// DropNode takes a node's record away if the key's last revision is last.
func (s *Session) DropNode(ctx context.Context, node string, last uint64) (uint64, error) {
	return s.write(ctx, protocol.NodesBucket, []view.Write{{Key: node, Delete: true, Last: last}})
}

var errLostAck = errors.New("inmem: the acknowledgement was lost")

func (s *Session) write(ctx context.Context, b protocol.Bucket, writes []view.Write) (uint64, error) {
	if err := s.n.ready(ctx, s); err != nil {
		return 0, err
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	if s.closed {
		return 0, coordinator.ErrClosed
	}
	if why := s.n.rejects[b]; why != "" {
		return 0, fmt.Errorf("write to bucket %s: %w: %s", b, coordinator.ErrRejected, why)
	}
	rev, err := s.n.write(s.hub, s.hub.buckets[b], writes)
	if err == nil && s.n.loseAcks > 0 {
		s.n.loseAcks--
		return 0, errLostAck
	}
	return rev, err
}

// ReadKey returns the last record under key.
func (s *Session) ReadKey(ctx context.Context, b protocol.Bucket, key string) (view.Record, error) {
	if err := s.n.ready(ctx, s); err != nil {
		return view.Record{}, err
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	return s.hub.buckets[b].last[key], nil
}

// Since returns what the bucket holds after a revision, in order of revision, and its last revision.
func (s *Session) Since(ctx context.Context, b protocol.Bucket, after uint64) ([]view.Record, uint64, error) {
	if err := s.n.ready(ctx, s); err != nil {
		return nil, 0, err
	}
	s.n.mu.Lock()
	defer s.n.mu.Unlock()
	recs, last := s.hub.buckets[b].since(after)
	return recs, last, nil
}
