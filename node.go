package phub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/internal/lograte"
	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker"
)

// Version is phub's version.
const Version = "0.1.0"

// Options says how a process joins a hub. Most programs need only Name and Kinds.
type Options struct {
	// Hub is the hub's name. Defaults to "default".
	Hub string
	// Name is this node's name, unique among the hub's living nodes. Defaults to the host's name, with
	// characters that a name may not contain replaced by "-".
	Name string
	// Labels describe the node. phub keeps replicas of one child in different zones (label "zone").
	Labels map[string]string
	// Capacity is this node's share of the load relative to others. Defaults to 1.
	Capacity int
	// Kinds are the workers that this node can run, by kind. A child of another kind runs on other nodes. Beware
	// of kinds.Exec, which is in none of the package's defaults: whoever may start children runs any program with it.
	Kinds map[string]Kind
	// Config is the configuration to ask the hub for. The first node sets it; a later one that asks
	// for something else is refused, unless that was changed while the hub ran: see Client.SetHub. Fields left empty accept what the
	// hub has.
	Config Config
	// Replicas is how many NATS servers keep each of the hub's buckets. Defaults to as many as the NATS
	// cluster allows, up to 3.
	Replicas int
	// Domain is the JetStream domain of the hub's buckets: all of the hub's nodes use the same one, whatever servers they are
	// connected to. Defaults to that of the server that the node is connected to.
	Domain string
	// URL is the NATS server, or several with commas between. Others of their cluster that they tell of are used as well
	// once there was a connection. Defaults to nats://127.0.0.1:4222.
	URL string
	// NATS are further options for the connection: credentials, TLS. phub adds its own last: its
	// connection never reconnects by itself, because a node must join again instead. Its inboxes are under
	// "_INBOX_<hub>.node" unless nats.CustomInboxPrefix says otherwise here.
	NATS []nats.Option
	// Dial connects in another way, such as DialLike; then URL and NATS are not used. It must pass opts on, last. An error that
	// is an ErrPermanent ends the first attempt to join; after any other one the node tries again.
	Dial func(opts ...nats.Option) (*nats.Conn, error)
	// Drain is how long a running handler may go on when its replica loses its role in a planned
	// change. Defaults to 30 s.
	Drain time.Duration
	// Grace is for how long Run, when its context has ended, and Leave hand over what the node has before the node leaves:
	// what is left then is cut off and restarted elsewhere. Defaults to 25 s, which is less than the 30 s that Kubernetes waits.
	Grace time.Duration
	// Logger gets changes of role, and whatever a person should look at. Defaults to slog.Default(). Of one kind of line
	// it gets at most 200 at once and 10 a second, with texts of at most 8 KiB; a line every 10 s says how many were
	// left out.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Hub == "" {
		o.Hub = "default"
	}
	if o.Name == "" {
		o.Name = hostName()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.URL == "" {
		o.URL = nats.DefaultURL
	}
	if o.Grace == 0 {
		o.Grace = 25 * time.Second
	}
	if o.Dial == nil {
		url, opts := o.URL, o.NATS
		o.Dial = func(more ...nats.Option) (*nats.Conn, error) {
			nc, err := nats.Connect(url, append(append([]nats.Option{}, opts...), more...)...)
			if err != nil {
				return nil, fmt.Errorf("connect to NATS: %w", err)
			}
			return nc, nil
		}
	}
	o.Labels, o.Kinds = maps.Clone(o.Labels), maps.Clone(o.Kinds)
	return o
}

// Validate returns an error that names the first option that is wrong: the one that Join returns before it
// connects.
func (o Options) Validate() error {
	o = o.withDefaults()
	return o.validate()
}

func (o *Options) validate() error {
	if err := protocol.ValidateHub(o.Hub); err != nil {
		return err
	}
	if err := protocol.ValidateNode(o.Name); err != nil {
		return err
	}
	for kind, k := range o.Kinds {
		if err := protocol.ValidateKind(kind); err != nil {
			return err
		}
		if k == nil {
			return &protocol.FieldError{Field: "kinds." + kind, Found: "nil", Allowed: "a function that makes a worker"}
		}
	}
	if err := protocol.ValidateLabels(o.Labels); err != nil {
		return err
	}
	if err := protocol.ValidateCapacity(o.Capacity); err != nil {
		return err
	}
	if err := protocol.ValidateDomain(o.Domain); err != nil {
		return err
	}
	if o.Config.ID != "" {
		return &protocol.FieldError{Field: "id", Found: protocol.Quote(o.Config.ID), Allowed: "nothing: a hub's id is made with it"}
	}
	if o.Config.Set != nil {
		return &protocol.FieldError{Field: "set", Found: fmt.Sprintf("%d settings", len(o.Config.Set)), Allowed: "nothing: it says what was changed while the hub ran"}
	}
	if o.Grace < 0 {
		return &protocol.FieldError{Field: "grace", Found: o.Grace.String(), Allowed: "0 (for 25s) or more"}
	}
	if o.Replicas < 0 || o.Replicas > 5 {
		return &protocol.FieldError{Field: "replicas", Found: fmt.Sprint(o.Replicas), Allowed: "0 (for as many as there are, up to 3) to 5"}
	}
	full := o.Config.WithDefaults()
	return full.Validate()
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "node"
	}
	name := []byte(host)
	for i, c := range name {
		if protocol.ValidateNode("x"+string(c)) != nil || i == 0 && c == '_' {
			name[i] = '-'
		}
	}
	return string(name[:min(len(name), protocol.MaxNodeName)])
}

// Node is this process as a node of a hub. Its methods may be called concurrently.
type Node struct {
	opts    Options
	log     *lograte.Handler
	keys    *coordinator.Keys
	refused *refused.Counter // by any part of the node, over all its sessions
	host    *worker.Host
	coord   *coordinator.Coordinator
	cancel  context.CancelFunc
	done    chan struct{}
	err     error

	session atomic.Pointer[jetstream.Session] // of the present connection
	learned []string                          // servers that the last session was told of; only open uses it
	watch   sync.WaitGroup                    // waits for the session's end
	known   bool                              // the buckets were found right once
	trouble atomic.Pointer[error]             // why there was no connection, the last time that one was tried
	leave   sync.Once
	leaving atomic.Bool
}

// Join makes this process a node of a hub, and returns when it is a member. While NATS can't be
// reached it keeps trying until ctx ends, and then says what stood in the way. It returns at once what
// waiting won't mend: a name that a living node has, a configuration that differs from the hub's, NATS
// without JetStream or too old. The node lives on after ctx has ended, until Leave.
func Join(ctx context.Context, o Options) (*Node, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	n := newNode(o)
	select {
	case <-n.coord.Admitted():
		return n, nil
	case <-n.done:
		return nil, n.err
	case <-ctx.Done():
		n.abandon()
		err := ctx.Err()
		if t := n.trouble.Load(); t != nil {
			err = fmt.Errorf("%w; the last try: %w", err, *t)
		}
		return nil, fmt.Errorf("join hub %s as %s: %w", o.Hub, o.Name, err)
	}
}

// Run joins a hub, stays until ctx ends, and leaves in order. Then it returns nil, even if ctx was
// cancelled before the node had joined. Otherwise it returns what kept the node from joining, or ended
// it.
func Run(ctx context.Context, o Options) error {
	n, err := Join(ctx, o)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil
		}
		return err
	}
	return n.Stay(ctx)
}

// Stay waits until ctx ends, then leaves in order, within Options.Grace, and returns nil. It returns what ended the node if that comes first.
func (n *Node) Stay(ctx context.Context) error {
	select {
	case <-ctx.Done():
		leaving, cancel := context.WithTimeout(context.Background(), n.opts.Grace)
		defer cancel()
		return n.Leave(leaving)
	case <-n.done:
		return n.err
	}
}

func newNode(o Options) *Node {
	ctx, cancel := context.WithCancel(context.Background())
	n := &Node{keys: coordinator.NewKeys(rand.Reader), refused: &refused.Counter{}, cancel: cancel, done: make(chan struct{})}
	n.log = lograte.New(o.Logger.Handler(), lograte.Node, func(lines uint64) { n.refused.Add(protocol.ReasonLog, lines) })
	o.Logger = slog.New(n.log)
	n.opts = o
	n.host = worker.New(worker.Config{
		Hub: o.Hub, Node: o.Name, Kinds: o.Kinds, Logger: o.Logger, Now: clock.Now, Drain: o.Drain, Refused: n.refused,
		Changed: func() { n.coord.Changed() },
	})
	n.coord = coordinator.New(withRules(coordinator.Config{
		Hub: o.Hub, Node: o.Name, Labels: o.Labels, Capacity: o.Capacity, Kinds: protocol.AnnouncedKinds(o.Kinds), Version: Version, Want: o.Config,
		Keys: n.keys, Now: clock.Now, Local: n.host, Refused: n.refused, Logger: o.Logger,
	}))
	go n.run(ctx)
	return n
}

// run works until the node has left or can't go on, and ends everything then.
func (n *Node) run(ctx context.Context) {
	n.err = n.coord.Run(ctx, n.open)
	n.closeSession()
	stop, cancel := context.WithCancel(context.Background())
	cancel() // nothing is served any more: what runs is cut off
	if err := n.host.Stop(stop); n.err == nil {
		n.err = err
	}
	n.log.Close()
	close(n.done)
}

// open dials the node's own connection, and gives it to the running side too.
func (n *Node) open(ctx context.Context) (coordinator.Session, error) {
	avoid := n.givenUp()
	n.closeSession()
	s, err := jetstream.Open(ctx, jetstream.Config{
		Hub: n.opts.Hub, Node: n.opts.Name, Incarnation: n.coord.Status().Incarnation.ID, Keys: n.keys, Dial: n.opts.Dial,
		HubID: func() string { return n.coord.Status().Hub },
		Avoid: avoid, Learned: n.learned, Domain: n.opts.Domain, Replicas: n.opts.Replicas, Known: n.known, Refused: n.refused, Logger: n.opts.Logger,
		Control: jetstream.ControlInfo{Version: Version, Labels: n.opts.Labels},
	})
	if err != nil {
		if n.known && errors.Is(err, ErrPermanent) {
			err = errors.New(err.Error()) // all was right once, and may be again: it ends nothing
		}
		n.trouble.Store(&err)
		return nil, err
	}
	n.known = true
	n.session.Store(s)
	// A host that is being stopped takes no connection any more; the hub is still to be told that the node has left.
	if err := n.host.Attach(s.Transport()); err != nil && !errors.Is(err, worker.ErrHostStopped) {
		n.closeSession()
		return nil, err
	}
	n.watch.Go(func() { n.watchSession(s) })
	return s, nil
}

// watchSession has nothing served any more when a session has ended, and none has taken its place.
func (n *Node) watchSession(s *jetstream.Session) {
	for next := s; next != nil; next = s.Heir() {
		s = next
		n.session.Store(s)
		<-s.Done()
	}
	n.host.Detach()
}

// givenUp returns the server of the last session if that was given up although its connection stood.
func (n *Node) givenUp() string {
	s := n.session.Load()
	if s == nil {
		return ""
	}
	select {
	case <-s.Done():
		return ""
	default:
		return s.Server()
	}
}

func (n *Node) closeSession() {
	if s := n.session.Load(); s != nil {
		if learned := s.Learned(); len(learned) > 0 {
			n.learned = learned
		}
		s.Close()
		n.watch.Wait()
		n.host.Detach()
		n.session.Store(nil)
	}
}

// Leave leaves the hub in order. First it hands over what the node has: each child is active elsewhere before this node lets
// it go, and a handler that runs is waited for, but no other child waits for it. That takes Options.Grace at most, and leaves
// a part of the time until ctx ends for the rest: to finish what could not be handed over, which the log names, to stop the
// workers, and to tell the other nodes. If ctx ends first, the rest is cut off, and the others find out by themselves. They also
// do if NATS can't be reached for more than a second; Leave then returns ErrUntold. It is idempotent.
func (n *Node) Leave(ctx context.Context) error {
	n.leaving.Store(true)
	n.leave.Do(func() {
		n.handOver(ctx)
		err := n.host.Stop(ctx)
		if err != nil {
			n.opts.Logger.Warn("leave", "hub", n.opts.Hub, "node", n.opts.Name, "error", err)
		}
		n.coord.Leave()
	})
	select {
	case <-n.done:
		return n.err
	case <-ctx.Done():
		n.abandon()
		return fmt.Errorf("leave hub %s: %w", n.opts.Hub, ctx.Err())
	}
}

// handOver drains the node, as far as there is time and somebody to take what it has: the coordinator's role, and children.
func (n *Node) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handOverTime(ctx, n.opts.Grace))
	defer cancel()
	n.coord.Drain()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for moved, least := time.Now(), math.MaxInt; ; {
		left := n.host.Running()
		st := n.coord.Status()
		if len(left) == 0 && !st.Coordinator || !st.Connected || !st.Member || st.Open == 0 {
			return
		}
		if len(left) < least || len(left) > st.Stuck {
			moved, least = time.Now(), len(left)
		}
		if time.Since(moved) > stuckPatience {
			n.leftBehind(left, "nobody can take them")
			return
		}
		select {
		case <-look.C:
		case <-n.done:
			return
		case <-ctx.Done():
			n.leftBehind(left, "there was not enough time")
			return
		}
	}
}

// stuckPatience is how long a node that leaves waits with children that nobody can take. It is longer than two heartbeats
// by default, so that what is known of that is new.
const stuckPatience = 2 * time.Second

func (n *Node) leftBehind(children []string, why string) {
	if len(children) == 0 { // nobody followed it as the coordinator: that is for those who stay
		return
	}
	n.opts.Logger.Warn("leaving with children that were not handed over", "hub", n.opts.Hub, "node", n.opts.Name, "why", why,
		"children", len(children), "first", children[:min(len(children), 10)])
}

// handOverTime returns how much of the time until ctx ends is for handing over: what remains is to be enough for the rest.
func handOverTime(ctx context.Context, grace time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return grace
	}
	left := time.Until(end)
	return min(grace, left-min(left/4, 5*time.Second))
}

// abandon ends the node without a word to the others.
func (n *Node) abandon() {
	n.cancel()
	<-n.done
}

// Done is closed when the node has ended; then Err says why.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns nil while the node lives and after it left in order; otherwise what ended it.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// Name returns the node's name.
func (n *Node) Name() string { return n.opts.Name }

// Hub returns the hub's name.
func (n *Node) Hub() string { return n.opts.Hub }

// Incarnation returns the UUID of the node's present incarnation. It changes when the hub had to
// remove the node and the node joined again.
func (n *Node) Incarnation() string { return n.coord.Status().Incarnation.ID }

// View returns the number of the newest view that the node knows.
func (n *Node) View() uint64 { return n.coord.Status().View }

// Coordinator reports whether this node holds the coordinator's role, as far as it knows.
func (n *Node) Coordinator() bool { return n.coord.Status().Coordinator }
