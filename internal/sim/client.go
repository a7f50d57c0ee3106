package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// client is whoever starts, stops and moves children, and sends them requests.
type client struct {
	w     *world
	conns [servers]*conn // one to each server: it may ask on both sides of a cut
	kids  [Children]*kid
	all   []*kid
	names map[string]*kid
	round [Children]int

	wishes map[string]int // by node: counts what was wanted of its drain

	asked   []protocol.SetRequest // all changes of the configuration that were asked for
	setting bool                  // one of them is under way
}

// kid is a child as the client knows it: what it was told for sure, and what may still happen.
type kid struct {
	name     string
	spec     protocol.Spec
	busy     bool
	started  bool // a start was acknowledged, and nothing asked for since
	stopped  bool // the same of a stop
	starts   int  // asked for, with no answer yet or none at all
	stops    int
	foreign  bool           // somebody else wrote under its name, and phub has not since
	meddled  bool           // so it was for a coordinator that knows no better: it counts
	life     int            // counts its specs; one that is written again because somebody else changed it is the same
	acked    int            // the life in which a start was acknowledged last
	stands   bool           // what phub stored last is a spec
	lives    map[uint64]int // of each revision of its spec
	ended    map[int]bool   // those lives in which a worker failed whose restart policy is to stop the child then
	over     bool           // its spec is deleted for that
	writer   tenure         // who stored its spec
	next     *protocol.Spec // what it is to become; nil: nothing else
	version  int            // of its newest spec
	updates  int            // changes to next that were asked for, with no answer yet or none at all
	stale    bool           // there may be such ones to what was to be next before
	mixed    bool           // its replicas were active together once, and not at another time
	restored bool           // a copy of the buckets was restored, or they were lost: it may be so again
	shared   bool           // and these may have several replicas be active
}

func (c *client) init(w *world) { c.w, c.names, c.wishes = w, map[string]*kid{}, map[string]int{} }

// exclusive reports whether a child may have but one active replica.
func (c *client) exclusive(child string) bool {
	k := c.names[child]
	return k == nil || k.exclusiveNow()
}

// begin has the client ask for something, if it has nothing under way for that child.
func (c *client) begin(f Fault) {
	i := f.A % Children
	k := c.kids[i]
	if k == nil || f.Kind == StartChild && k.stopped && !k.busy && f.B%3 > 0 {
		c.round[i]++
		k = &kid{name: fmt.Sprintf("c%d-%d", i, c.round[i]), lives: map[uint64]int{}, ended: map[int]bool{}}
		k.spec = specOf(k.name, f.B)
		k.spec.Restart = c.w.plan.Restarts[i]
		c.kids[i] = k
		c.all, c.names[k.name] = append(c.all, k), k
	}
	if k.busy {
		return
	}
	k.busy = true
	if k.next != nil || f.Kind == ChangeChild {
		c.change(k, f.B)
		return
	}
	switch f.Kind {
	case StartChild:
		k.stopped = false
		c.start(k, 0)
	case StopChild:
		k.started = false
		c.stop(k, 0)
	default:
		c.move(k, f.B)
	}
}

// insist asks again for what got no answer, so that it is known what is to run, and ends all drains.
func (c *client) insist() {
	c.endDrains()
	c.balanceAgain()
	for _, k := range c.kids {
		switch {
		case k == nil || k.busy:
		case k.next != nil:
			k.busy = true
			c.change(k, 0)
		case !k.started && !k.stopped:
			k.busy = true
			c.start(k, 0)
		}
	}
}

// specOf returns the spec of a child: of most kinds that there are.
func specOf(name string, n int) protocol.Spec {
	s := protocol.Spec{Child: name, Kind: "k"}
	s.Redundancy.Strategy, s.Redundancy.Model = protocol.Replication, protocol.ActivePassive
	s.Redundancy.Factor = protocol.Factor(1 + n%3)
	switch n % 10 {
	case 0:
		s.Redundancy.Model = protocol.ActiveActive
	case 1:
		s.Redundancy.Factor = protocol.ClusterSize
	case 2:
		s.Redundancy = protocol.Redundancy{Strategy: protocol.Singularity}
	}
	return s
}

const clientWait = 3 * sec

// request sends a control request to whoever listens as the coordinator. done gets the first answer,
// or nothing.
func (c *client) request(verb string, body any, done func(a *view.AnswerControl)) {
	w := c.w
	over := false
	end := func(a *view.AnswerControl) {
		if !over {
			over = true
			done(a)
		}
	}
	data := encode(body)
	from := c.connected()
	w.in(clientWait+2*sec, func() { end(nil) })
	if from == nil {
		return
	}
	for _, x := range w.listeners(from, func(x *conn) bool { return x.lead }) {
		w.send(from, x, func() {
			x.proc.control(verb, data, func(a view.AnswerControl) {
				w.send(x, from, func() { end(&a) })
			})
		})
	}
}

// connected returns a connection to some server that is there, or nil.
func (c *client) connected() *conn {
	w := c.w
	for _, i := range w.rng.Perm(servers) {
		if !w.servers[i].alive {
			continue
		}
		if x := c.conns[i]; x == nil || !x.open || x.srv.id != x.id.Server {
			c.conns[i] = w.servers[i].accept(nil)
		}
		return c.conns[i]
	}
	return nil
}

func (c *client) start(k *kid, tries int) {
	k.starts++
	req := protocol.StartRequest{Children: []protocol.Spec{k.spec}, Wait: protocol.Duration(clientWait)}
	c.w.tell("", "client asks to start %s", k.name)
	c.request(protocol.VerbStart, req, func(a *view.AnswerControl) {
		var r *protocol.ChildResult
		if a != nil && a.Problem == nil {
			r = &a.Value.(protocol.StartResponse).Results[0]
		}
		if r != nil && r.Error != nil && r.Error.Code == protocol.CodeConflict { // it is there as it was once: a copy was restored
			k.starts--
			k.next = &k.spec
			c.update(k, 0)
			return
		}
		if r == nil || r.Error != nil && !c.asFarAsItGoes(r) {
			c.again(k, tries, func() { c.start(k, tries+1) })
			return
		}
		k.starts--
		k.busy, k.started, k.acked = false, true, k.life
		c.w.tell("", "client: %s is started", k.name)
		c.w.check.startAcked(k)
	})
}

// asFarAsItGoes reports whether a child runs, and each node of the hub runs it or gave it up: there may be fewer of them than it
// wants replicas.
func (c *client) asFarAsItGoes(r *protocol.ChildResult) bool {
	runs, nodes := false, map[string]bool{}
	for _, s := range r.Replicas {
		runs = runs || s.State == protocol.Running
		nodes[s.Node] = nodes[s.Node] || s.State != protocol.Starting
	}
	return runs && len(nodes) >= len(c.w.names) && !slices.Contains(slices.Collect(maps.Values(nodes)), false)
}

func (c *client) stop(k *kid, tries int) {
	k.stops++
	req := protocol.StopRequest{Children: []string{k.name}, Wait: protocol.Duration(clientWait)}
	c.w.tell("", "client asks to stop %s", k.name)
	c.request(protocol.VerbStop, req, func(a *view.AnswerControl) {
		var r *protocol.ChildResult
		if a != nil && a.Problem == nil {
			r = &a.Value.(protocol.StopResponse).Results[0]
		}
		if r == nil || r.Error != nil && r.Error.Code != protocol.CodeNotFound {
			c.again(k, tries, func() { c.stop(k, tries+1) })
			return
		}
		k.stops--
		k.busy = false
		if r.Error == nil {
			k.stopped = true
			c.w.tell("", "client: %s is stopped", k.name)
			c.w.check.stopAcked(k)
		}
	})
}

func (c *client) move(k *kid, n int) {
	req := protocol.MoveRequest{Child: k.name, Node: c.w.names[n%len(c.w.names)], Wait: protocol.Duration(clientWait)}
	c.w.tell("", "client asks to move %s to %s", k.name, req.Node)
	asked := c.w.now
	c.request(protocol.VerbMove, req, func(a *view.AnswerControl) {
		k.busy = false
		if a == nil || a.Problem != nil || a.Value.(protocol.ChildResult).Error != nil {
			return
		}
		c.w.tell("", "client: %s has moved to %s", k.name, req.Node)
		c.w.check.moveAcked(k.name, req.Node, asked)
	})
}

// again tries again a little later, but not for ever.
func (c *client) again(k *kid, tries int, do func()) {
	if tries > 3 && !c.w.healing {
		k.busy = false
		return
	}
	c.w.in(c.w.between(20*ms, 500*ms), do)
}

// requests has requests arrive at doors, all the time.
func (c *client) requests() {
	w := c.w
	w.in(w.between(ms, 100*ms), c.requests)
	p := w.running[w.names[w.rng.IntN(len(w.names))]]
	if p == nil || len(p.host.slots) == 0 {
		return
	}
	all := p.host.all()
	s := all[w.rng.IntN(len(all))]
	d := w.between(ms, 50*ms)
	if w.chance(0.02) {
		d = w.between(100*ms, 5*sec)
	}
	p.arrived(func() { s.arrive(d) })
}

// long has a request arrive whose handler takes long.
func (c *client) long(f Fault) {
	k := c.kids[f.A%Children]
	if k == nil {
		return
	}
	for _, name := range c.w.names {
		if p := c.w.running[name]; p != nil && p.host.slots[k.name] != nil {
			s := p.host.slots[k.name]
			p.arrived(func() { s.arrive(f.For) })
		}
	}
}

// failWorker has the worker that a fault is about end with an error.
func (w *world) failWorker(f Fault) {
	if s := w.failing(f); s != nil {
		w.endWorker(s, "failed")
	}
}

// endWorker has a worker end with an error.
func (w *world) endWorker(s *slot, why string) {
	p := s.h.p
	if k := w.client.names[s.child]; k != nil && k.spec.Restart.Policy == protocol.Temporary {
		life, known := k.lives[s.spec]
		if !known { // a change began as a spec that phub had written again
			life = k.life
		}
		k.ended[life] = true
	}
	p.arrived(func() {
		w.tell(p.name, "its worker of %s fails: %s", s.child, why)
		s.step(replica.Ended{Run: s.run, Err: why})
	})
}

// failing returns the place of the worker that is to fail, or nil.
func (w *world) failing(f Fault) *slot {
	name := w.names[f.A%len(w.names)]
	var k *kid
	if f.B >= Child {
		if k = w.client.kids[f.B-Child]; k == nil {
			return nil
		}
		if x := w.check.entries[k.name]; f.A == Active {
			a := protocol.ActiveOf(protocol.Derive(&w.check.view, &x.Entry))
			if a == nil {
				return nil
			}
			name = a.Node
		}
	}
	p := w.running[name]
	if p == nil || len(p.host.slots) == 0 {
		return nil
	}
	if k != nil {
		return p.host.slots[k.name]
	}
	all := p.host.all()
	return all[f.B%len(all)]
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
