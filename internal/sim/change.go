package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// changes has somebody change what children are, in two of three runs.
func (p *Plan) changes(r *rand.Rand) {
	if r.IntN(3) == 0 {
		return
	}
	gap := pick(r, sec, 3*sec, 10*sec)
	for t := r.Int64N(gap); t < p.End; t += 1 + r.Int64N(2*gap) {
		p.Faults = append(p.Faults, faultOf(r, ChangeChild, t))
	}
	if r.IntN(2) == 0 {
		for t := r.Int64N(6 * sec); t < p.End; t += 2*sec + r.Int64N(8*sec) {
			p.play(&changeRecipes[r.IntN(len(changeRecipes))], r, t)
		}
	}
}

// changeRecipes are for changes of children.
var changeRecipes = []Recipe{
	{Name: "replicas that are all active become one and its standbys", steps: []step{
		{ChangeChild, 0, 0, child, 0, 0},
		{LongRequest, 200 * ms, 400 * ms, child, sec, 4 * sec},
		{ChangeChild, 500 * ms, sec, child, 0, 0},
		{ChangeChild, 1500 * ms, 3 * sec, child, 0, 0},
	}},
	{Name: "a change is under way when nodes go", steps: []step{
		{ChangeChild, 0, 0, child, 0, 0},
		{Crash, 10 * ms, 300 * ms, anyone, 300 * ms, 2 * sec},
		{Crash, 10 * ms, 500 * ms, coordinator, 300 * ms, 2 * sec},
		{WorkerFailed, 0, 500 * ms, serving, 0, 0},
		{ChangeChild, sec, 3 * sec, child, 0, 0},
	}},
}

// change has a child become something else: another version of its worker, in most cases, other replicas, or another model. What was
// asked for before and is still open comes first.
func (c *client) change(k *kid, n int) {
	if k.next == nil {
		k.stale = k.stale || k.updates > 0
		k.updates = 0
		next := k.spec
		k.version++
		if n%4 != 0 {
			next.Args = map[string]string{"version": fmt.Sprint(k.version)}
		}
		if r := &next.Redundancy; r.Strategy == protocol.Replication {
			if n%3 == 0 && r.Factor != protocol.ClusterSize {
				r.Factor = protocol.Factor(1 + n/3%3)
			}
			if n%2 == 0 {
				r.Model = map[protocol.Model]protocol.Model{protocol.ActiveActive: protocol.ActivePassive, protocol.ActivePassive: protocol.ActiveActive}[r.Model]
			}
		}
		k.mixed = k.mixed || next.Redundancy.Exclusive() != k.spec.Redundancy.Exclusive()
		k.shared = k.shared || k.stale && !(next.Redundancy.Exclusive() && k.spec.Redundancy.Exclusive())
		k.next = &next
	}
	c.update(k, 0)
}

// exclusiveNow reports whether a child may have but one active replica: not while it is becoming something else, or was.
func (k *kid) exclusiveNow() bool {
	return !k.shared && !(k.mixed && k.restored) && k.spec.Redundancy.Exclusive() && (k.next == nil || k.next.Redundancy.Exclusive())
}

// takenBack is how an answer says that a change was not carried out.
const takenBack = "is as it was"

func (c *client) update(k *kid, tries int) {
	k.updates++
	req := protocol.UpdateRequest{Children: []protocol.Update{{Spec: *k.next}}, Wait: protocol.Duration(clientWait)}
	c.w.tell("", "client asks to change %s: %v %v", k.name, k.next.Args, k.next.Redundancy)
	c.request(protocol.VerbUpdate, req, func(a *view.AnswerControl) {
		var r *protocol.ChildResult
		if a != nil && a.Problem == nil {
			r = &a.Value.(protocol.UpdateResponse).Results[0]
		}
		switch {
		case r == nil:
			c.again(k, tries, func() { c.update(k, tries+1) })
			return
		case r.Error != nil && strings.Contains(r.Error.Message, takenBack):
		case r.Error == nil || c.asFarAsItGoes(r) && !strings.Contains(r.Error.Message, "changed"):
			k.spec = *k.next
			c.w.tell("", "client: %s is changed", k.name)
			c.w.check.updateAcked(k)
		case r.Error.Code == protocol.CodeNotFound:
			k.stale = true                                        // it may be there, and be changed, when another coordinator looks,
			k.shared = k.shared || !k.next.Redundancy.Exclusive() // or have been before it was deleted
		default:
			c.again(k, tries, func() { c.update(k, tries+1) })
			return
		}
		k.updates--
		k.next, k.busy = nil, false
	})
}

func (c *checker) updateAcked(k *kid) {
	r := c.w.streams[protocol.ChildrenBucket].keys[k.name]
	if k.stale || k.stops > 0 || k.starts > 0 || k.meddled || k.foreign || len(k.ended) > 0 {
		return
	}
	spec, err := protocol.DecodeSpec(r.Value)
	want := k.spec.WithDefaults(c.w.plan.Config.Redundancy)
	if err != nil || r.Deleted || !spec.Equal(&want) {
		c.w.breach(RuleUpdate, "the change of %s was acknowledged, and the bucket has %s", k.name, r.Value)
	}
}
