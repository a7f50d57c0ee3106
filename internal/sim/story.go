package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// tellStored tells of what matters of the records that are stored: views and entries, fences, specs.
func (w *world) tellStored(who string, r view.Record) {
	if w.trace == nil {
		return
	}
	switch r.Bucket {
	case protocol.NodesBucket:
		if r.Deleted {
			w.tell(who, "the record of %s is taken away", r.Key)
		}
		if rec, err := protocol.DecodeNodeRecord(r.Value); err == nil && !rec.Status.Alive() {
			w.tell(who, "%s is recorded as %s (incarnation %s): %s", rec.Node, rec.Status, rec.ID, rec.Reason)
		}
	case protocol.ChildrenBucket:
		w.tell(who, "the spec of %s is %s", r.Key, map[bool]string{true: "deleted", false: "stored"}[r.Deleted])
	case protocol.PlacementBucket:
		w.tell(who, "stored: %s", shown(r))
	}
}

// shown is a record of the placement bucket for people; of another one, its beginning.
func shown(r view.Record) string {
	if r.Deleted {
		return r.Key + " deleted"
	}
	if v, err := protocol.DecodeView(r.Value); err == nil && r.Key == protocol.ViewKey {
		return "VIEW " + shownView(&v)
	}
	if e, err := protocol.DecodeEntry(r.Value); err == nil && r.Bucket == protocol.PlacementBucket && r.Key[0] != '_' {
		var nodes []string
		for _, x := range e.Replicas {
			nodes = append(nodes, x.Node)
		}
		return fmt.Sprintf("%s on %v, epoch %d, of view %d, after %v (%s)", r.Key, nodes, e.Epoch, e.View, e.After, e.Reason)
	}
	return fmt.Sprintf("%s = %.60q", r.Key, r.Value)
}

func shownView(v *protocol.View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d: coordinator %s;", v.Number, v.Coordinator.ID)
	for _, x := range v.Members {
		fmt.Fprintf(&b, " %s", x.ID)
	}
	for _, x := range v.Gone {
		fmt.Fprintf(&b, ", without %s since %d", x.ID, x.Until)
	}
	if v.Resigned() {
		fmt.Fprintf(&b, ", who resigned; %s is to follow", v.Successor.ID)
	}
	return b.String() + " (" + v.Reason + ")"
}

// shownFault describes a fault by what it strikes.
func (w *world) shownFault(f Fault) string {
	what := w.target(f.A)
	switch {
	case f.Kind <= StallOut, f.Kind == Leave, f.Kind == LeaveForGood, f.Kind == LostForGood:
	case f.Kind == NoLeader, f.Kind == Unacked, f.Kind == Late, f.Kind == Meddle:
		what = "bucket " + string(buckets[f.A%len(buckets)])
	case f.Kind < Unacked:
		what = "server " + w.servers[f.A%servers].id
	default:
		what = ""
	}
	return fmt.Sprintf("%s %s for %v", f.Kind, what, time.Duration(f.For).Round(time.Millisecond))
}

// ending describes the moment at which a promise was broken, and what that means.
func (w *world) ending() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nAt that moment the newest view is %s\n", shownView(&w.check.view))
	for _, s := range w.servers {
		if !s.alive {
			fmt.Fprintf(&b, "  server %s is down\n", s.id)
		}
	}
	for _, bucket := range buckets {
		if w.streams[bucket].server() == nil {
			fmt.Fprintf(&b, "  bucket %s has no leader\n", bucket)
		}
	}
	for _, p := range w.procs {
		if !p.gone {
			p.describe(&b)
		}
	}
	if why := meaning[w.broken.Rule]; why != "" {
		fmt.Fprintf(&b, "\nWhy it matters: %s\n", why)
	}
	return b.String()
}

func (p *process) describe(b *strings.Builder) {
	state := []string{"runs"}
	if p.paused {
		state[0] = "is paused"
	}
	if p.conn == nil {
		state = append(state, "not connected")
	} else {
		state = append(state, "connected to "+p.conn.id.Server)
	}
	if v := p.machine.View(); v != nil {
		state = append(state, fmt.Sprintf("follows view %d", v.Number))
	}
	if p.machine.Leads() {
		state = append(state, "coordinates")
	}
	if left := p.trusted(); left > 0 {
		state = append(state, "trusts itself for "+left.Round(time.Millisecond).String())
	} else {
		state = append(state, "does not trust itself")
	}
	fmt.Fprintf(b, "  %s (process %d, incarnation %s) %s\n", p.name, p.number, p.machine.Incarnation().ID, strings.Join(state, ", "))
	for _, s := range p.host.all() {
		serves := ""
		if s.serves() {
			serves = ", serves"
		}
		fmt.Fprintf(b, "      %s: %v, %v, epoch %d, by the entry of view %d%s\n", s.child, s.m.Role(), s.m.Life(), s.m.Epoch(), s.m.View(), serves)
	}
}

// meaning says for each rule what its breach means to whoever uses phub.
var meaning = map[string]string{
	RuleOneActive: "two replicas take requests for one child at the same instant: two writers, and what one of them answered may be lost.",
	RuleEpoch:     "the epoch is the fencing token: a store that checks it would refuse the right writer, or take the wrong one's writes.",
	RuleViews:     "views are the one history by which everybody decides: with two of them, two nodes can be right about who is active.",
	RuleOneGrants: "two coordinators give leases at once: what one of them has taken from a node the other still gives it.",
	RuleStart:     "somebody was told that a child runs and is kept; it is not.",
	RuleUpdate:    "somebody was told that a child is something else now; it is not.",
	RuleStop:      "somebody was told that a child runs no more; it does.",
	RuleMove:      "somebody was told that a child has moved; it never had.",
	RuleHeal:      "a person would have to mend the hub by hand.",
	RuleEnds:      "nodes would keep each other busy for good.",
	RuleRest:      "a hub that is at rest must cost nothing and move nothing.",
	RuleConfig:    "two nodes would go by two configurations: what one takes for the end of a lease the other does not.",
	RuleOneRun:    "a node runs two workers of one child at once, or one that nobody will stop.",
	RuleJoin:      "a node is kept out of its hub although nobody else has its name.",
}

// Explain returns a plan that breaks a promise, as small as it can be made, and its story, of which the
// last lines are kept.
func Explain(p Plan, u Unsafe, lines int) string { return Tell(Shrink(p, u, 400), u, lines) }

// Tell returns a plan that breaks a promise, and its story.
func Tell(p Plan, u Unsafe, lines int) string {
	r := Run(p, u, lines)
	text := fmt.Sprintf("%s\nbroken: %v\n\nThe story: seconds, who, what.\n%s", p, r.Violation, r.Story)
	if r.Violation != nil && r.Violation.Stack != "" {
		text += "\n" + r.Violation.Stack
	}
	return text
}

// Detail returns all that happens in a run, each record, heartbeat and answer.
func Detail(p Plan, u Unsafe) string {
	t := newTrace(1 << 30)
	t.detail = true
	newWorld(p, u, t).run()
	return t.String()
}

// String describes the plan.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d", p.Seed)
	if p.Salt > 0 {
		fmt.Fprintf(&b, " with salt %d", p.Salt)
	}
	fmt.Fprintf(&b, ": %d nodes, failover %s, heartbeat %v, lease %v, authority %v, clocks ±%.1f %%, faults until %.3f s\n", p.Nodes,
		p.Config.Failover, p.Config.Heartbeat.Std(), p.Config.Lease.Std(), p.Config.Authority.Std(), float64(p.Skew)/10_000, time.Duration(p.End).Seconds())
	faults := slices.Clone(p.Faults)
	slices.SortStableFunc(faults, func(x, y Fault) int { return int(x.At - y.At) })
	for _, f := range faults {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	return b.String()
}
