package protocol

import (
	"fmt"
	"maps"
	"time"
)

// Config is a hub's configuration. It lives in the hub (ConfigKey): the first node writes it, and a
// node that asks for another one is refused.
type Config struct {
	V          int        `json:"v"`
	Redundancy Redundancy `json:"redundancy"`
	// Heartbeat is the interval at which nodes renew their lease. Default 500 ms.
	Heartbeat Duration `json:"heartbeat"`
	// Lease is how long the hub waits for a silent node. Default 2 s, at least 3 heartbeats, at most 30 m.
	Lease Duration `json:"lease"`
	// Authority is how long the hub waits for a silent coordinator unless the members give it up. Default
	// 15 s, at least 2 leases, at most 1 h. It must outlive the election of a stream leader (4 to 9 s).
	Authority Duration `json:"authority"`
	// Probe is the shortest interval at which the coordinator checks that a node's connection is still
	// there; the interval grows with the number of nodes. Default 25 ms, or a shorter heartbeat.
	Probe Duration `json:"probe"`
	// Failover says what proof a closed connection is, and whether a node that hangs is disconnected.
	// Default auto.
	Failover Failover `json:"failover"`
	// Balance says whether load is moved to even it. Default on. With off, nothing moves that nobody asked for, but what
	// specs ask for is still restored, and draining nodes are emptied.
	Balance Balance `json:"balance,omitempty"`
	// Set has the settings that were changed while the hub ran, by the names that With returns, and the view that did it last. A node
	// that was started with another value of one of these takes the hub's.
	Set map[string]uint64 `json:"set,omitempty"`
	// ID tells the hub from others of its name. It is made with the configuration; nobody asks for one.
	ID    string `json:"id,omitempty"`
	later unknown
}

// Balance says whether a hub evens its load.
type Balance string

// The balance settings. An empty one is on.
const (
	BalanceOn  Balance = "on"
	BalanceOff Balance = "off"
)

// Failover says how far a hub trusts a closed connection as proof of a node's death.
type Failover string

// The failover settings.
const (
	FailoverAuto   Failover = "auto"   // a node whose connection is seen closed is replaced at once
	FailoverStrict Failover = "strict" // the hub always waits the lease out
	FailoverFast   Failover = "fast"   // as auto, and a node that hangs is disconnected by its NATS server
)

// Proves reports whether a connection that its server says is closed proves that its node has ended.
func (f Failover) Proves() bool { return f == FailoverAuto || f == FailoverFast }

// WithDefaults returns c with what it leaves open filled in.
func (c Config) WithDefaults() Config { return c.Or(Config{}) }

// Or returns c with what it leaves open taken from d, then from phub's defaults.
func (c Config) Or(d Config) Config {
	c.V = 1
	c.Redundancy = c.Redundancy.Or(d.Redundancy)
	c.Heartbeat = firstNonZero(c.Heartbeat, d.Heartbeat, Duration(500*time.Millisecond))
	c.Lease = firstNonZero(c.Lease, d.Lease, Duration(2*time.Second))
	c.Authority = firstNonZero(c.Authority, d.Authority, Duration(15*time.Second))
	c.Probe = firstNonZero(c.Probe, d.Probe, min(Duration(25*time.Millisecond), c.Heartbeat))
	c.Failover = firstNonZero(c.Failover, d.Failover, FailoverAuto)
	c.Balance = firstNonZero(c.Balance, d.Balance, BalanceOn)
	if c.Set == nil {
		c.Set = d.Set
	}
	c.ID = firstNonZero(c.ID, d.ID)
	return c
}

func firstNonZero[T comparable](vs ...T) T {
	var zero T
	for _, v := range vs {
		if v != zero {
			return v
		}
	}
	return zero
}

// Validate returns an error that names the first field that is wrong. c must be complete: WithDefaults.
func (c *Config) Validate() error {
	if err := c.Redundancy.Validate(); err != nil {
		return err
	}
	if err := checkHub("id", c.ID); err != nil {
		return err
	}
	switch {
	case c.Heartbeat.Std() < 10*time.Millisecond || c.Heartbeat.Std() > time.Minute:
		return &FieldError{"heartbeat", c.Heartbeat.Std().String(), "10ms to 1m"}
	case c.Lease < 3*c.Heartbeat:
		return &FieldError{"lease", c.Lease.Std().String(), fmt.Sprintf("at least three heartbeats (%v)", 3*c.Heartbeat.Std())}
	case c.Lease.Std() > 30*time.Minute:
		return &FieldError{"lease", c.Lease.Std().String(), "at most 30m"}
	case c.Authority < 2*c.Lease:
		return &FieldError{"authority", c.Authority.Std().String(), fmt.Sprintf("at least two leases (%v)", 2*c.Lease.Std())}
	case c.Authority.Std() > time.Hour:
		return &FieldError{"authority", c.Authority.Std().String(), "at most 1h"}
	case c.Probe.Std() < time.Millisecond || c.Probe > c.Heartbeat:
		return &FieldError{"probe", c.Probe.Std().String(), fmt.Sprintf("1ms to one heartbeat (%v)", c.Heartbeat.Std())}
	}
	switch c.Balance {
	case "", BalanceOn, BalanceOff:
	default:
		return &FieldError{"balance", Quote(string(c.Balance)), "on or off"}
	}
	switch c.Failover {
	case FailoverAuto, FailoverStrict, FailoverFast:
		return nil
	}
	return &FieldError{"failover", Quote(string(c.Failover)), "auto, strict or fast"}
}

// setting is one setting as two configurations have it.
type setting struct {
	name       string
	want, have string
	open       bool // nothing is asked for
}

// settings pairs what is asked for with what c has.
func (c *Config) settings(want *Config) []setting {
	w, h := want.Redundancy, c.Redundancy
	return []setting{
		{"redundancy.strategy", string(w.Strategy), string(h.Strategy), w.Strategy == ""},
		{"redundancy.replication_factor", w.Factor.String(), h.Factor.String(), w.Factor == 0},
		{"redundancy.replication_model", string(w.Model), string(h.Model), w.Model == ""},
		{"redundancy.redundancy_signal", string(w.Signal), string(h.Signal), w.Signal == ""},
		{"heartbeat", want.Heartbeat.Std().String(), c.Heartbeat.Std().String(), want.Heartbeat == 0},
		{"lease", want.Lease.Std().String(), c.Lease.Std().String(), want.Lease == 0},
		{"authority", want.Authority.Std().String(), c.Authority.Std().String(), want.Authority == 0},
		{"probe", want.Probe.Std().String(), c.Probe.Std().String(), want.Probe == 0},
		{"failover", string(want.Failover), string(c.Failover), want.Failover == ""},
		{"balance", string(want.Balance), string(firstNonZero(c.Balance, BalanceOn)), want.Balance == ""},
	}
}

// Refuses returns an error that names the first setting in which want, where it asks for anything,
// differs from c, with both values. Settings that were changed while the hub ran refuse nobody: see Ignores.
func (c *Config) Refuses(want *Config) error {
	for _, s := range c.settings(want) {
		if !s.open && s.want != s.have && c.Set[s.name] == 0 {
			return &FieldError{s.name, s.want, s.have + ", as the hub's configuration has it; leave the option out to take the hub's"}
		}
	}
	return nil
}

// Ignores says in which settings that were changed while the hub ran want asks for something else: "balance on (it was set to
// off)".
func (c *Config) Ignores(want *Config) []string {
	var ignored []string
	for _, s := range c.settings(want) {
		if !s.open && s.want != s.have && c.Set[s.name] != 0 {
			ignored = append(ignored, s.name+" "+s.want+" (it was set to "+s.have+")")
		}
	}
	return ignored
}

// With returns c as change would have it where it asks for anything, and the names of the settings that differ then. An error names
// the first one that can't be changed while a hub runs. c must be complete.
//
// Heartbeat, lease and authority can't, because nodes learn of a change at different times: one that trusts itself by a longer lease
// than others wait for would serve beside its successor. Nor can failover be other than strict once it is that: by strict a node does
// without signs of life from its NATS server, and others would take its closed connection for its end. The other way round
// is safe, because whoever replaces a node commits a view on top of the last one, and so knows of the change.
func (c Config) With(change Config) (next Config, changed []string, err error) {
	next = c
	if change.Redundancy != (Redundancy{}) {
		next.Redundancy = change.Redundancy.Or(c.Redundancy)
	}
	next.Probe = firstNonZero(change.Probe, c.Probe)
	next.Failover = firstNonZero(change.Failover, c.Failover)
	next.Balance = firstNonZero(change.Balance, c.Balance, BalanceOn)
	if err := c.keeps(&change); err != nil {
		return c, nil, err
	}
	if err := next.Validate(); err != nil {
		return c, nil, err
	}
	for _, s := range c.settings(&next) {
		if s.want != s.have {
			changed = append(changed, s.name)
		}
	}
	return next, changed, nil
}

// keeps returns an error that names the first setting of a change that a running hub keeps.
func (c *Config) keeps(change *Config) error {
	if change.ID != "" && change.ID != c.ID {
		return &FieldError{"id", Quote(change.ID), "none: it was made with the hub"}
	}
	for _, s := range c.settings(change) {
		fixed := s.name == "heartbeat" || s.name == "lease" || s.name == "authority"
		if fixed && !s.open && s.want != s.have {
			return &FieldError{s.name, s.want, s.have + ", as long as the hub lives; to have another one, export it, stop its nodes, remove it, and import it into a new one"}
		}
	}
	if c.Failover == FailoverStrict && change.Failover != "" && change.Failover != FailoverStrict {
		return &FieldError{"failover", Quote(string(change.Failover)), "strict, as long as the hub lives: a node that has not heard of the change would not know that its closed connection counts"}
	}
	return nil
}

// Revision is the number of the view that changed the configuration last; 1 if none did since it was made.
func (c *Config) Revision() uint64 {
	last := uint64(1)
	for _, view := range c.Set {
		last = max(last, view)
	}
	return last
}

// Changed returns c with a note that a view changed some settings.
func (c Config) Changed(names []string, view uint64) Config {
	set := maps.Clone(c.Set)
	if set == nil {
		set = map[string]uint64{}
	}
	for _, name := range names {
		set[name] = view
	}
	c.Set = set
	return c
}

// Contact is for how long a node trusts itself without a sign of life from its own NATS server, and so the
// least that servers must give their clients to answer pings (ping_interval × ping_max). A constant, because
// the servers' settings are for all hubs.
const Contact = 2 * time.Second

// Margin is by how much sooner than its lease a node stops to trust itself: a tenth for clocks whose
// rates differ, and 50 ms for the way from a reading of the clock to what is done by it.
func Margin(lease time.Duration) time.Duration { return lease/10 + 50*time.Millisecond }
