package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// Bound is how long a hub may take to heal after the last fault. One thing may have to wait for the other:
//
//   - the streams for a leader: at most 9 s, see [stream.elect];
//   - who takes over, for the coordinator's authority to run out, and then for the lease of a node that is
//     gone as well, by the slowest clock; what two processes of one name settle takes two leases more;
//   - a release, for the longest handler: 5 s, see [client.requests];
//   - the client, for an answer that got lost, before it asks again for what it must know: 5 s;
//   - rounds of placing, starting, letting go and balancing, with a second's rest before balancing: 5 s.
func (p *Plan) Bound() time.Duration {
	if p.OneMachine {
		return JoinedAtMost
	}
	if p.OnlySlow {
		return WholeAgain
	}
	wait := p.Config.Authority.Std() + 3*p.Config.Lease.Std()
	return 9*time.Second + wait + wait/10 + 15*time.Second
}

// restTime is for how long a hub that has healed must stay as it is. A move or a join that was asked for
// before, and waited in a process that was paused, may still be carried out in between.
const restTime = 3 * sec

// settle lets the world run until the hub has healed and rests, and says what is wrong if it does not.
func (w *world) settle() {
	w.runUntil(w.stallsEnd())
	limit := w.now + int64(w.plan.Bound())
	since, at, last := int64(0), uint64(0), ""
	for w.broken == nil && w.now < limit+restTime {
		w.runUntil(w.now + 100*ms)
		if w.broken != nil {
			return
		}
		why := w.unhealed()
		if why != last && why != "" {
			w.tell("", "not as it should be yet: %s", why)
		}
		last = why
		switch {
		case why != "":
			if since = 0; w.now >= limit {
				w.breach(RuleHeal, "%v after the last fault: %s", w.plan.Bound(), why)
				return
			}
		case since == 0 || w.check.view.Number != at:
			since, at = w.now, w.check.view.Number
			w.healed = w.now
			w.tell("", "all is as it should be, by view %d", at)
		case w.now-since >= restTime:
			return
		}
	}
	if w.broken == nil {
		w.breach(RuleRest, "view %d healed it, and others went on to follow: %s", at, w.check.view.Reason)
	}
}

// stallsEnd returns when the last stall of a connection is over.
func (w *world) stallsEnd() int64 {
	t := w.now
	for _, s := range w.servers {
		for _, c := range s.conns {
			if c.open || c.kicked {
				t = max(t, c.inAt, c.outAt)
			}
		}
	}
	return t
}

// unhealed says what is not as it should be, or nothing.
func (w *world) unhealed() string {
	v := &w.check.view
	for _, b := range buckets {
		if w.streams[b].server() == nil {
			return "the stream of " + string(b) + " has no leader"
		}
	}
	for _, p := range w.procs {
		if !p.gone && w.running[p.name] != p || !p.gone && !slices.Contains(w.names, p.name) {
			return fmt.Sprintf("%s (process %d) is still there", p.name, p.number)
		}
	}
	for _, k := range w.client.kids {
		if k != nil && k.busy && !w.runsNowhere(k) && !w.lingers(k.name) {
			return "the client waits for " + k.name
		}
	}
	if w.client.setting || w.check.settings.Balance == protocol.BalanceOff {
		return "the client waits for a change of the configuration"
	}
	if len(v.Members) != len(w.names) || len(v.Gone) > 0 {
		return fmt.Sprintf("view %d has %d members, of %d, and %d gone", v.Number, len(v.Members), len(w.names), len(v.Gone))
	}
	for _, name := range w.names {
		p := w.running[name]
		if p == nil || !v.Has(p.machine.Incarnation()) {
			return "node " + name + " is no member"
		}
		if p.machine.View() == nil || p.machine.View().Number != v.Number {
			return name + " does not follow the newest view"
		}
		if p.machine.Leads() != (v.Coordinator == p.machine.Incarnation()) {
			return name + " does not know whether it leads"
		}
	}
	return w.unsettled(v)
}

// unsettled looks at the children.
func (w *world) unsettled(v *protocol.View) string {
	specs := w.specs()
	for _, k := range w.client.all {
		if there := specs[k.name] != nil; !k.meddled && (k.started && !there && !k.over || k.stopped && there) {
			return fmt.Sprintf("what was acknowledged last of %s is not so: started %t, stopped %t, there %t", k.name, k.started, k.stopped, there)
		}
	}
	children, why := w.placed(v, specs)
	if why != "" {
		return why
	}
	for _, name := range w.names {
		if why := w.leftOver(w.running[name], specs); why != "" {
			return name + " still has " + why
		}
	}
	nodes := make([]placement.Node, 0, len(v.Members))
	for _, x := range v.Members {
		nodes = append(nodes, placement.Node{Name: x.Node, Zone: x.Labels["zone"], Capacity: x.Capacity})
	}
	if plans := placement.Repair(nodes, children); len(plans) > 0 {
		return fmt.Sprintf("to be repaired: %+v", plans)
	}
	if slices.ContainsFunc(children, func(c placement.Child) bool { return w.lingers(c.Name) }) {
		return "" // who may be moved depends on what is not settled
	}
	if plans := unasked(children, placement.Balance(nodes, children, 100)); len(plans) > 0 {
		return fmt.Sprintf("not balanced: %+v", plans)
	}
	return ""
}

// unasked leaves out what only evens the load, if a child is where somebody moved it: no other child is moved in exchange, so
// the load is as even as was asked for.
func unasked(children []placement.Child, plans []placement.Plan) []placement.Plan {
	if !slices.ContainsFunc(children, func(c placement.Child) bool { return c.Pinned }) {
		return plans
	}
	return slices.DeleteFunc(plans, func(p placement.Plan) bool { return strings.HasPrefix(p.Reason, "balance ") })
}

// leftOver says what a process has that nothing asks for any more.
func (w *world) leftOver(p *process, specs map[string]*protocol.Spec) string {
	for _, s := range p.host.all() {
		switch {
		case s.lingers:
		case specs[s.child] == nil || !s.m.Assigned():
			return "a replica of " + s.child
		case p.host.interest(s.child).open != (s.m.Role() >= replica.Active):
			return "a subscription for " + s.child + ", which is " + s.m.Role().String() + ", or has none"
		}
	}
	for _, child := range slices.Sorted(maps.Keys(p.host.subs)) {
		if p.host.subs[child].open && p.host.slots[child] == nil {
			return "a subscription for " + child
		}
	}
	switch {
	case len(p.host.asks) > 0:
		return "releases to ask for"
	case p.conn == nil || p.conn.lead != p.machine.Leads():
		return "a connection that does not listen as it is to"
	}
	return ""
}

func (w *world) specs() map[string]*protocol.Spec {
	specs := map[string]*protocol.Spec{}
	for child, r := range w.streams[protocol.ChildrenBucket].keys {
		if s, err := protocol.DecodeSpec(r.Value); err == nil && !r.Deleted && s.Child == child {
			specs[child] = &s
		}
	}
	return specs
}

// runsNowhere reports whether a child was given up on all nodes that may hold it. Until it is tried again there, which
// takes 30 s or more, its start is answered by an error.
func (w *world) runsNowhere(k *kid) bool {
	r := w.streams[protocol.PlacementBucket].keys[k.name]
	e, err := protocol.DecodeEntry(r.Value)
	return err == nil && !r.Deleted && len(e.Replicas) == 0 && len(e.Failed) > 0
}

// lingers reports whether a worker of a child takes long to stop. Its stop waits for that, and nothing else does.
func (w *world) lingers(child string) bool {
	for _, p := range w.running {
		if s := p.host.slots[child]; s != nil && s.lingers {
			return true
		}
	}
	return false
}

// placed looks at the entries and what the nodes make of them. A node that gave a child up is not used for it as long as
// the entry says so; the planner, which looks at the rest, knows whether that leaves the child without one.
func (w *world) placed(v *protocol.View, specs map[string]*protocol.Spec) (children []placement.Child, why string) {
	keys := w.streams[protocol.PlacementBucket].keys
	for _, child := range slices.Sorted(maps.Keys(keys)) {
		_, err := protocol.DecodeEntry(keys[child].Value) // what is none is somebody else's
		if child[0] != '_' && !keys[child].Deleted && specs[child] == nil && err == nil && !w.lingers(child) {
			return nil, "the entry of " + child + " is left over"
		}
	}
	for _, child := range slices.Sorted(maps.Keys(specs)) {
		e, err := protocol.DecodeEntry(keys[child].Value)
		if err != nil || keys[child].Deleted {
			return nil, child + " has no entry"
		}
		if (e.Moving || len(e.After) > 0 && len(e.Replicas) > 0) && !w.lingers(child) {
			return nil, fmt.Sprintf("%s is not settled: %s", child, keys[child].Value)
		}
		spec := specs[child]
		if spec.Change != nil {
			return nil, child + " is still being changed"
		}
		c := placement.Child{Name: child, Want: spec.Redundancy.Replicas(len(v.Members)), Exclusive: spec.Redundancy.Exclusive()}
		for _, f := range e.Failed {
			c.Avoid = append(c.Avoid, f.Node)
		}
		for _, f := range e.Failing {
			c.Failing = append(c.Failing, f.Node)
		}
		for _, r := range protocol.Derive(v, &e) {
			c.Current = append(c.Current, r.Node)
			if why := w.runs(child, r, spec); why != "" && !w.lingers(child) {
				return nil, why
			}
		}
		if len(c.Current) != len(e.Replicas) {
			return nil, child + " has an entry with replicas that are no more"
		}
		c.Pinned = e.Pinned != "" && len(c.Current) > 0 && c.Current[0] == e.Pinned
		children = append(children, c)
	}
	return children, ""
}

// runs looks whether a replica is what it is to be.
func (w *world) runs(child string, r protocol.Role, spec *protocol.Spec) string {
	s := w.running[r.Node].host.slots[child]
	switch {
	case s == nil:
		return child + " does not run on " + r.Node
	case s.made != nil && !s.made.SameWorker(spec):
		return child + " on " + r.Node + " runs another worker than its spec says"
	case !s.m.Settled():
		return child + " on " + r.Node + " is not settled: " + s.m.Role().String() + ", " + s.m.Life().String()
	case s.m.Serves(w.running[r.Node].local()) != (r.Mode == protocol.Active):
		return child + " on " + r.Node + " does not serve, or should not: " + s.m.Why(w.running[r.Node].local())
	case (s.m.Role() == replica.Active) != (r.Mode == protocol.Active):
		return child + " on " + r.Node + " has another role"
	}
	return ""
}
