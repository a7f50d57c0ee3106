package sim

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// The rules that a run may break.
const (
	RuleOneActive = "one active"
	RuleOneWork   = "active work never overlaps"
	RuleEpoch     = "epochs only grow"
	RuleViews     = "views only grow"
	RuleOneGrants = "one coordinator grants"
	RuleStart     = "an acknowledged start is kept"
	RuleUpdate    = "an acknowledged change is kept"
	RuleStop      = "an acknowledged stop is kept"
	RuleMove      = "an acknowledged move was made"
	RuleConfig    = "the configuration is kept"
	RuleOneRun    = "one worker of a child on a node"
	RuleServed    = "a child is served"
	RuleJoin      = "a node with a free name is let in"
	RuleBackOff   = "what is refused is not tried all the time"
	RuleHeal      = "it heals by itself"
	RuleWhole     = "late is not lost"
	RuleRest      = "a hub at rest stays at rest"
	RulePanic     = "no panic"
	RuleFailing   = "a replica that keeps failing loses the active role"
	RuleEnds      = "what happens comes to an end"
)

// checker looks after the promises.
type checker struct {
	w         *world
	view      protocol.View        // the newest that was committed
	commits   int                  // how many views were committed
	epochs    map[string]served    // by child: the newest epoch that was served
	entries   map[string]placed    // by child: the newest entry
	own       map[replicaOf]uint64 // the newest epoch in which a process has served a child
	config    []byte
	settings  protocol.Config       // what config says
	configs   map[string]bool       // all that config was
	foreign   bool                  // somebody else wrote over it
	id        string                // of the hub, in a configuration that is part of the commit
	viewValue []byte                // of the newest that was committed
	views     map[*process]followed // what each process follows
	granted   map[protocol.Incarnation]uint64
	grants    uint64           // the newest view by whose coordinator a lease was granted
	began     int64            // when the last coordinator took its role
	cutOff    map[string]int64 // nodes that reach no server until then
	writer    *process         // whose write is being stored
	refuses   map[refusals][]int64
}

// tenure is a coordinator's role, from a view on. What it stored itself it has no reason to undo, even if nobody was told.
type tenure struct {
	in     protocol.Incarnation
	number uint64
}

// tenure returns the role of whoever is storing something.
func (c *checker) tenure() tenure {
	if c.writer == nil {
		return tenure{}
	}
	in := c.writer.machine.Incarnation()
	return tenure{in, c.granted[in]}
}

// refusals are those of a process's writes to a bucket.
type refusals struct {
	p *process
	b protocol.Bucket
}

// In refusedIn, a process may try to write to a bucket that refuses it so often.
const (
	refusedIn   = 2 * sec
	refusedMost = 15
)

// refused looks whether a process tries again and again what is refused.
func (c *checker) refused(p *process, b protocol.Bucket) {
	key := refusals{p, b}
	all := append(c.refuses[key], c.w.now)
	for len(all) > 0 && all[0] < c.w.now-refusedIn {
		all = all[1:]
	}
	if c.refuses[key] = all; len(all) > refusedMost {
		c.w.breach(RuleBackOff, "%s was refused %d times within %v by the bucket %s", p.name, len(all), time.Duration(refusedIn), b)
	}
}

// placed is an entry that was committed, and what became of the child with it and those before.
type placed struct {
	protocol.Entry
	there bool
	epoch uint64           // of the active replica, the newest
	first map[string]int64 // by node: until when an entry had it as the first
}

type replicaOf struct {
	p     *process
	child string
}

type served struct {
	epoch uint64
	node  string
	proc  *process
}

type followed struct {
	in     protocol.Incarnation
	number uint64
}

func (c *checker) init(w *world) {
	*c = checker{
		w: w, epochs: map[string]served{}, entries: map[string]placed{}, own: map[replicaOf]uint64{}, views: map[*process]followed{},
		granted: map[protocol.Incarnation]uint64{}, cutOff: map[string]int64{},
		refuses: map[refusals][]int64{}, configs: map[string]bool{},
	}
}

// stored looks at a record that a stream stores.
func (c *checker) stored(s *stream, r view.Record) {
	switch s.bucket {
	case protocol.PlacementBucket:
		c.placed(r)
	case protocol.ChildrenBucket:
		c.wanted(r)
	case protocol.NodesBucket:
		c.fenced(r)
	}
}

// mostCommits is far more than what a run needs. Without some rules a hub commits without end, each view larger than the one before.
const mostCommits = 2000

func (c *checker) placed(r view.Record) {
	switch {
	case r.Key == protocol.ConfigKey:
		c.configured(r.Value)
	case r.Deleted:
		x := c.entries[r.Key]
		x.there = false
		c.entries[r.Key] = x
	case r.Key == protocol.ViewKey:
		v, err := protocol.DecodeView(r.Value)
		if err != nil {
			c.w.breach(RuleViews, "a view that can't be read was committed: %v", err)
			return
		}
		if c.commits++; c.commits > mostCommits {
			c.w.breach(RuleHeal, "%d views were committed: the hub makes work of its own work", c.commits)
		}
		if v.Number <= c.view.Number {
			c.w.breach(RuleViews, "view %d was committed after view %d", v.Number, c.view.Number)
		}
		if v.Hub != c.view.Hub && c.view.Hub != "" && bytes.Equal(c.w.streams[protocol.PlacementBucket].keys[protocol.ViewKey].Value, c.viewValue) {
			c.w.breach(RuleConfig, "the hub's id was %s, and view %d has %s", c.view.Hub, v.Number, v.Hub)
		}
		c.viewValue = r.Value
		if v.Coordinator != c.view.Coordinator {
			c.granted[v.Coordinator], c.began = v.Number, c.w.now
			c.w.client.succeeded()
		}
		c.view = v
	default:
		c.entry(r)
	}
}

// configured looks at a configuration that is stored. The id is the view's; who finds nothing of either may make another one.
func (c *checker) configured(value []byte) {
	config, err := protocol.DecodeConfig(value)
	id := config.ID
	if config.ID = ""; err == nil {
		value = encode(config)
	}
	switch {
	case c.config == nil, bytes.Equal(c.config, value), c.w.client.askedFor(&c.settings, &config):
	case c.foreign && c.configs[string(value)]: // nobody is left who saw the newer one
	default:
		c.w.breach(RuleConfig, "it was %s, and became %s", c.config, value)
	}
	c.config, c.settings, c.id, c.foreign = value, config, id, false
	c.configs[string(value)] = true
}

func (c *checker) entry(r view.Record) {
	e, err := protocol.DecodeEntry(r.Value)
	was := c.entries[r.Key]
	if err != nil || e.View <= was.View {
		c.w.breach(RuleViews, "entry of %s is of view %d after %d (%v)", r.Key, e.View, was.View, err)
	}
	x := placed{e, true, was.epoch, was.first}
	if x.first == nil {
		x.first = map[string]int64{}
	}
	for _, entry := range []protocol.Entry{was.Entry, e} {
		if len(entry.Replicas) > 0 {
			x.first[entry.Replicas[0].Node] = c.w.now
		}
	}
	c.entries[r.Key] = x
}

// committed looks at what a commit made of the whole: who is active now, and by which epoch.
func (c *checker) committed(s *stream) {
	if s.bucket != protocol.PlacementBucket {
		return
	}
	if c.id != "" && c.id != c.view.Hub {
		c.w.breach(RuleConfig, "the hub's id is %s in view %d, and %s was stored in the configuration", c.view.Hub, c.view.Number, c.id)
	}
	c.id = ""
	for _, child := range slices.Sorted(maps.Keys(c.entries)) {
		x := c.entries[child]
		if !x.there || !x.Exclusive {
			continue
		}
		if a := protocol.ActiveOf(protocol.Derive(&c.view, &x.Entry)); a != nil {
			if a.Epoch < x.epoch {
				c.w.breach(RuleEpoch, "view %d makes %s of %s active in epoch %d; there was epoch %d before", c.view.Number, a.Node, child, a.Epoch, x.epoch)
			}
			x.epoch = a.Epoch
			c.entries[child] = x
		}
	}
}

// moveAcked looks whether a child was ever on the node that it moved to, as its first, since somebody asked.
func (c *checker) moveAcked(child, node string, asked int64) {
	x := c.entries[child]
	now := x.there && len(x.Replicas) > 0 && x.Replicas[0].Node == node
	at, ever := x.first[node]
	if a := protocol.ActiveOf(protocol.Derive(&c.view, &x.Entry)); !now && (!ever || at < asked) && (a == nil || a.Node != node) {
		c.w.breach(RuleMove, "the move of %s to %s was acknowledged, and no entry has made it active there since", child, node)
	}
}

// wanted looks at a change of what is to run.
func (c *checker) wanted(r view.Record) {
	for _, k := range c.w.client.all {
		if k.name != r.Key {
			continue
		}
		if !k.foreign && !r.Deleted && !k.stands { // a change is no other life
			k.life++
		}
		k.stands = !r.Deleted
		k.lives[r.Revision] = k.life
		k.foreign = false
		if k.meddled {
			continue
		}
		by := c.tenure()
		if k.over = r.Deleted && k.ended[k.life]; r.Deleted && !k.over && k.stops == 0 && (k.started || by.number > 0 && by == k.writer) {
			c.w.breach(RuleStart, "the spec of %s was deleted, and nobody asked for it", k.name)
		}
		k.writer = by
		if !r.Deleted && k.stopped && k.starts == 0 {
			c.w.breach(RuleStop, "the spec of %s came back, and nobody asked for it", k.name)
		}
	}
}

func (c *checker) startAcked(k *kid) {
	r := c.w.streams[protocol.ChildrenBucket].keys[k.name]
	if (r.Revision == 0 || r.Deleted) && k.stops == 0 && !k.meddled && !k.foreign && !k.over {
		c.w.breach(RuleStart, "the start of %s was acknowledged, and the bucket has none", k.name)
	}
}

func (c *checker) stopAcked(k *kid) {
	r := c.w.streams[protocol.ChildrenBucket].keys[k.name]
	if k.starts > 0 || k.meddled || k.foreign {
		return
	}
	if r.Revision != 0 && !r.Deleted {
		c.w.breach(RuleStop, "the stop of %s was acknowledged, and the bucket still has it", k.name)
	}
	if !k.exclusiveNow() {
		return // one of several may finish what it took
	}
	for _, p := range c.w.procs {
		if s := p.host.slots[k.name]; s != nil && p.runs() && !p.unaware() && s.serves() {
			c.w.breach(RuleStop, "the stop of %s was acknowledged, and %s still serves it", k.name, p.name)
		}
	}
}

// stepped looks at a machine after a step.
func (c *checker) stepped(p *process) {
	v := p.machine.View()
	if v == nil {
		return
	}
	f := c.views[p]
	if in := p.machine.Incarnation(); f.in != in {
		f = followed{in: in}
	}
	if v.Number < f.number {
		c.w.breach(RuleViews, "%s went back from view %d to %d", p.name, f.number, v.Number)
	}
	f.number = v.Number
	c.views[p] = f
}

// granted looks whether a lease was granted by a coordinator that another one has followed.
func (c *checker) granting(p *process, actions []view.Action) {
	for _, a := range actions {
		g, ok := a.(view.AnswerBeat)
		if !ok || !g.Answer.Accepted || p.conn == nil || !p.conn.open {
			continue
		}
		number, known := c.granted[g.Answer.Coordinator]
		if !known || number < c.grants {
			c.w.breach(RuleOneGrants, "%s granted a lease as the coordinator of view %d, after the one of view %d did", p.name, number, c.grants)
		}
		c.grants = max(c.grants, number)
	}
}

// serving looks at who serves what a process serves, now that something happened in it.
func (c *checker) serving(p *process) {
	if !p.runs() || p.unaware() || c.w.broken != nil {
		return
	}
	for _, s := range p.host.all() {
		if s.serves() {
			c.serves(p, s)
		}
	}
	c.working(p)
}

func (c *checker) serves(p *process, s *slot) {
	if at := (replicaOf{p, s.child}); s.m.Epoch() < c.own[at] {
		c.w.breach(RuleEpoch, "%s serves %s in epoch %d after it has in epoch %d", p.name, s.child, s.m.Epoch(), c.own[at])
	} else {
		c.own[at] = s.m.Epoch()
	}
	if !c.w.client.exclusive(s.child) {
		return
	}
	epoch := s.m.Epoch()
	was := c.epochs[s.child]
	switch {
	case epoch < was.epoch:
		c.w.breach(RuleEpoch, "%s serves %s in epoch %d; %s has served it in epoch %d", p.name, s.child, epoch, was.node, was.epoch)
	case epoch == was.epoch && was.proc != p:
		c.w.breach(RuleEpoch, "%s serves %s in epoch %d, as %s has (process %d and %d)", p.name, s.child, epoch, was.node, p.number, was.proc.number)
	}
	c.epochs[s.child] = served{epoch, p.name, p}
	for _, o := range c.w.procs {
		if o == p || !o.runs() || o.unaware() {
			continue
		}
		if x := o.host.slots[s.child]; x != nil && x.serves() {
			c.w.breach(RuleOneActive, "%s is served by %s (process %d, epoch %d, trusted for %v) and by %s (process %d, epoch %d, trusted for %v)",
				s.child, p.name, p.number, epoch, p.trusted(), o.name, o.number, x.m.Epoch(), o.trusted())
		}
	}
}

func (p *process) trusted() time.Duration { return time.Duration(p.host.lease.until - p.local()) }
