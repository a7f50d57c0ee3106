package worker

import (
	"log/slog"
	"time"

	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/worker/replica"
)

// Config says how a Host runs its replicas. Hub, Node and Kinds are needed.
type Config struct {
	Hub   string
	Node  string
	Kinds map[string]Kind // by name; not to be changed any more
	// Logger gets what happens to replicas. Defaults to slog.Default.
	Logger *slog.Logger
	// Refused counts what was refused or dropped on this node. Default: nothing is counted.
	Refused *refused.Counter
	// Now is the monotonic clock, in nanoseconds, by which Trust is given. It must run at the pace of
	// real time. Defaults to the time since New.
	Now func() int64
	// Changed is called when Report has become different: something settled or failed. It is called
	// from one goroutine, and several changes may come as one call. Defaults to nothing.
	Changed func()
	// Mailbox is how many requests may wait for one replica. Defaults to 8192.
	Mailbox int
	// MailboxBytes is how much they may hold together, in bytes; one is always taken. Defaults to 32 MiB.
	MailboxBytes int64
	// QueueBytes is the same of all replicas of the node; small requests are taken beyond it, one for each replica.
	// Defaults to 256 MiB.
	QueueBytes int64
	// Drain is how long a running handler may go on after a demotion. Defaults to 30 s.
	Drain time.Duration
	// Hold is how long requests are held for a replica that will serve them soon. Defaults to 5 s.
	Hold time.Duration
	// StopTimeout is how long a worker may take to stop before it is abandoned. Defaults to 10 s.
	StopTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		start := time.Now()
		c.Now = func() int64 { return int64(time.Since(start)) }
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Mailbox <= 0 {
		c.Mailbox = 8192
	}
	if c.MailboxBytes <= 0 {
		c.MailboxBytes = 32 << 20
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = 256 << 20
	}
	if c.Drain <= 0 {
		c.Drain = 30 * time.Second
	}
	if c.Hold <= 0 {
		c.Hold = 5 * time.Second
	}
	if c.StopTimeout <= 0 {
		c.StopTimeout = 10 * time.Second
	}
	return c
}

func (c *Config) limits() replica.Limits {
	return replica.Limits{Hold: int64(c.Hold), Drain: int64(c.Drain)}.WithDefaults()
}
