package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/lograte"
	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
)

// Config is what a Coordinator is made with.
type Config struct {
	Hub, Node string
	Labels    map[string]string
	Capacity  int      // 0 means 1
	Kinds     []string // that the node announces; see protocol.AnnouncedKinds
	Version   string
	// Want is what this node asks of the hub's configuration; what it leaves open it takes as it is.
	Want protocol.Config
	// Keys makes this node's incarnations, and signs what they store. Sessions sign with it what they send.
	Keys view.Keys
	// Now returns nanoseconds on a clock that never stands still or goes back while this process runs,
	// also not while it is stopped or the machine sleeps.
	Now func() int64
	// Local is the running side of this node.
	Local Local
	// Refused counts what any part of this node refused; the hub's status shows it. Default: nothing is counted.
	Refused *refused.Counter
	// Logger gets changes of role and what a person should look at. Required.
	Logger *slog.Logger
	// Unsafe is for tests only.
	Unsafe view.Unsafe
}

// Coordinator runs the deciding side of one node. Its methods may be called concurrently.
type Coordinator struct {
	cfg      Config
	machine  *view.Machine
	subjects protocol.Subjects
	status   atomic.Pointer[Status]
	admitted chan struct{} // closed when this node became a member first
	once     sync.Once
	drain    chan struct{} // closed by Drain
	draining sync.Once
	leave    chan struct{}
	leaving  sync.Once
	changed  chan struct{}  // holds a token while Local has something to report
	junk     refused.Seldom // what is logged of messages that are not understood
	alone    int            // sessions in a row over which nothing was answered at all
}

// Status is what the loop shows of itself.
type Status struct {
	Incarnation protocol.Incarnation
	Hub         string // its id; "" while the node knows none
	View        uint64
	Member      bool
	Coordinator bool // this node holds the coordinator's role
	Connected   bool
	// Open is how many other members there are that do not drain: who could take what this node has.
	Open int
	// Stuck is how many children of this node nobody can take at this moment, if it drains.
	Stuck int
}

// New returns a coordinator that does nothing until Run.
func New(cfg Config) *Coordinator {
	c := &Coordinator{
		cfg: cfg, subjects: protocol.SubjectsOf(cfg.Hub),
		machine: view.New(view.Config{
			Hub: cfg.Hub, Node: cfg.Node, Keys: cfg.Keys, Labels: cfg.Labels, Capacity: cfg.Capacity, Kinds: cfg.Kinds,
			Version: cfg.Version, Want: cfg.Want, Unsafe: cfg.Unsafe,
		}),
		admitted: make(chan struct{}), drain: make(chan struct{}), leave: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	c.show(false)
	return c
}

// Status returns what the loop showed last.
func (c *Coordinator) Status() Status { return *c.status.Load() }

// Admitted is closed when this node has become a member of the hub for the first time.
func (c *Coordinator) Admitted() <-chan struct{} { return c.admitted }

func (c *Coordinator) wasAdmitted() bool {
	select {
	case <-c.admitted:
		return true
	default:
		return false
	}
}

// Changed says that Local has something new to report. It never blocks.
func (c *Coordinator) Changed() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Drain says that this node is going to leave: the hub hands over what it has, child by child, while it goes on serving
// the rest. It never blocks. Whether anything is left the running side knows.
func (c *Coordinator) Drain() { c.draining.Do(func() { close(c.drain) }) }

// Leave asks to leave the hub in order; Run returns nil when that is recorded. The running side must
// have stopped before.
func (c *Coordinator) Leave() { c.leaving.Do(func() { close(c.leave) }) }

func (c *Coordinator) isLeaving() bool {
	select {
	case <-c.leave:
		return true
	default:
		return false
	}
}

// ErrUntold is returned by Run after Leave if no session could be opened for more than a second: the
// other nodes find out by themselves, as if this one had died.
var ErrUntold = errors.New("phub: the hub could not be told that the node left")

// ErrPermanent marks errors of opening a session that trying again won't mend.
var ErrPermanent = errors.New("phub: wrong setup")

// Run opens sessions, one after the other, and works over each until it ends. When one can't be opened,
// or ends soon, it pauses before the next: 5 ms at first, then longer, up to a second. The log has why it
// could not be opened once, as a warning, and again when the reason is another. It returns nil
// after Leave, an error that wraps ErrUntold if nothing can be opened any more to record that over, the
// context's error when that ends, an error that wraps ErrPermanent from open or, before the node was admitted, from
// the session's Serve, or a *protocol.Problem if
// the hub refuses this node for good. Whoever made open closes what it opened.
func (c *Coordinator) Run(ctx context.Context, open func(context.Context) (Session, error)) error {
	wait, told := retryFirst, ""
	for {
		s, err := open(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrPermanent):
			return err
		case err != nil && wait == retryMost && c.isLeaving():
			return fmt.Errorf("%w: %w", ErrUntold, err)
		case err != nil:
			level := slog.LevelDebug
			if err.Error() != told {
				level, told = slog.LevelWarn, err.Error()
			}
			c.cfg.Logger.Log(ctx, level, "connect", "hub", c.cfg.Hub, "node", c.cfg.Node, "error", err, "again_in", wait)
		default:
			told = ""
			began := time.Now()
			if done, err := c.work(ctx, s); done || err != nil {
				return err
			}
			if time.Since(began) > retryMost {
				wait = retryFirst
				continue
			}
		}
		if !c.pause(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, retryMost)
	}
}

const (
	retryFirst = 5 * time.Millisecond
	retryMost  = time.Second
)

// pause waits, and returns false if the context ended.
func (c *Coordinator) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (c *Coordinator) now() view.Now {
	return view.Now{Mono: time.Duration(c.cfg.Now()), Wall: time.Now()}
}

func (c *Coordinator) show(connected bool) {
	s := Status{
		Incarnation: c.machine.Incarnation(), Hub: c.machine.Hub(), Member: c.machine.Member(), Coordinator: c.machine.Leads(), Connected: connected, Stuck: c.machine.Stuck(),
	}
	if v := c.machine.View(); v != nil {
		s.View = v.Number
		for _, x := range v.Members {
			if !x.Draining && x.Node != c.cfg.Node {
				s.Open++
			}
		}
	}
	c.status.Store(&s)
}

// work serves one session until it ends. It returns true after the node has left.
func (c *Coordinator) work(ctx context.Context, s Session) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{c: c, ctx: ctx, session: s, inbox: newInbox(c.cfg.Refused.Count), controls: map[uint64]controlAnswer{}, beats: map[uint64]beatAnswer{}}
	defer func() {
		cancel()
		l.inbox.close()
		l.ops.Wait()
		l.step(view.Disconnected{})
		c.show(false)
	}()
	if err := s.Serve(ctx, (*handler)(l)); err != nil {
		if errors.Is(err, ErrPermanent) && !c.wasAdmitted() {
			return false, err
		}
		c.cfg.Logger.Warn("subscribe", "hub", c.cfg.Hub, "node", c.cfg.Node, "error", err)
		return false, nil
	}
	l.step(view.Connected{Conn: s.Conn(), Domain: s.Domain()})
	l.step(view.LocalReport{Report: c.report()}) // what happened meanwhile
	return l.run()
}

// report returns what is to be said of this node.
func (c *Coordinator) report() protocol.Report {
	r := c.cfg.Local.Report()
	r.Refused = c.cfg.Refused.Counts()
	r.Trouble = c.machine.Troubles()
	return r
}

func (c *Coordinator) log(n view.Note) {
	level := slog.LevelInfo
	switch n.Level {
	case view.Warn:
		level = slog.LevelWarn
	case view.Error:
		level = slog.LevelError
	case view.Info:
	}
	//nolint:sloglint // the machine writes its notes for people, as whole sentences
	c.cfg.Logger.Log(lograte.WithKey(context.Background(), n.Key), level, n.Text, "hub", c.cfg.Hub, "node", c.cfg.Node)
}

func problemOf(p protocol.Problem) error { return fmt.Errorf("join: %w", &p) }
