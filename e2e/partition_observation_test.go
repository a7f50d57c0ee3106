//go:build linux && e2e

package e2e

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// observation is what is seen of one fault. Its instants are of the clock.
type observation struct {
	*split
	p                           partition
	side                        int
	terms                       protocol.Config
	before                      map[string]string // the node on which each child was active
	lost                        int64             // frames, by the fault
	from, to, settledAt, healed int64
	rejoined                    time.Duration // after the fault's begin
	replaced                    atomic.Int64  // when another coordinator was announced; 0 if none was
}

// begin notes how things are, and listens for a new coordinator on the majority's side.
func (o *observation) begin() {
	o.t.Helper()
	o.before = o.active()
	_, o.lost = o.net.Frames(o.net.Hosts(), o.net.Hosts())
	sub, err := o.nc.Subscribe(protocol.SubjectsOf(hubName).Event(protocol.CoordinatorChanged, "*"), func(*nats.Msg) {
		o.replaced.CompareAndSwap(0, clock.Now())
	})
	if err == nil {
		err = sub.AutoUnsubscribe(1)
	}
	if err == nil {
		err = o.nc.Flush()
	}
	if err != nil {
		o.t.Fatal(err)
	}
	o.from = clock.Now()
}

// afterwards is how long a fault goes on when the takeover is over.
func afterwards() time.Duration {
	if allPartitions() {
		return 6 * time.Second
	}
	return 2 * time.Second
}

// concern is a child for which a fault is meant.
type concern struct {
	child string
	of    string // where it is active, if the side has several nodes: on the coordinator or beside it
	worst worst
}

// concerns are the children for which the fault is meant.
func (o *observation) concerns() []concern {
	cs := []concern{{o.children[0], "", o.p.worst}}
	if o.p.company > 0 {
		cs[0].of = " on it"
		cs = append(cs, concern{o.children[1], " beside it", o.p.beside})
	}
	return cs
}

// wait lets the fault go on until some time after the majority has a coordinator and serves the children that
// it concerns.
func (o *observation) wait() {
	time.Sleep(o.p.lasts) // the fault's length, not a wait for anything
	if o.p.brief {
		return
	}
	most := o.p.lasts
	for _, c := range o.concerns() {
		most = max(most, c.worst.of(o.terms)+slack)
	}
	deadline := o.from + int64(most)
	for clock.Now() < deadline && !(o.isServed() && (!o.p.coordinator || o.replaced.Load() != 0)) {
		time.Sleep(20 * time.Millisecond)
	}
	if o.p.rejoins {
		o.rejoin()
	}
	time.Sleep(afterwards()) // the fault is not healed by the takeover
}

// rejoin waits until the side's nodes are members again, by another server.
func (o *observation) rejoin() {
	o.t.Helper()
	const most = 45 * time.Second // an authority, a lease, and what it takes to connect, more than once, and be admitted
	eventually(o.t, most, "the node finds another server", func() error {
		if slices.ContainsFunc(o.nodesOn(o.side), o.isHome) {
			return errors.New("it is still at its own")
		}
		return nil
	})
	o.settled(len(o.homes))
	o.rejoined = time.Duration(clock.Now() - o.from)
}

// isServed reports whether each child that the fault concerns answered the majority lately.
func (o *observation) isServed() bool {
	lately := clock.Now() - int64(500*time.Millisecond)
	for _, c := range o.concerns() {
		if !slices.ContainsFunc(others(o.side), func(side int) bool { return answered(o.loads[side], c.child, lately) == nil }) {
			return false
		}
	}
	return true
}

// end notes what the fault did.
func (o *observation) end() {
	o.t.Helper()
	o.to = clock.Now()
	_, lost := o.net.Frames(o.net.Hosts(), o.net.Hosts())
	if o.lost = lost - o.lost; o.lost == 0 && !o.p.lossless {
		o.t.Errorf("%s: no frame was lost: nothing is tested", o.p.name)
	}
}

// judge fails the test if a worst case was exceeded, and keeps what was seen for the table.
func (o *observation) judge() {
	o.t.Helper()
	concerns := o.concerns()
	now, elsewhere := o.active(), o.gap(o.children[len(concerns):], o.from, o.until())
	for _, c := range concerns {
		r := row{
			name: o.p.name, holds: o.holds(c), worst: c.worst, limit: c.worst.of(o.terms),
			seen: o.gap([]string{c.child}, o.from, o.until()), elsewhere: elsewhere, rejoined: o.rejoined,
			minority: o.minority(c.child), settled: time.Duration(o.settledAt - o.to), after: o.gap(o.children, o.to, o.healed),
		}
		r.before, r.during, r.healed = o.place(o.before[c.child]), o.place(o.last(c.child)), o.place(now[c.child])
		if at := o.replaced.Load(); at != 0 && at < o.to {
			r.replaced = time.Duration(at - o.from)
		}
		o.t.Logf("%v; %d frames lost", r, o.lost)
		o.within(c.child, r.seen, c.worst)
		o.stops(c, r.minority)
		table.add(o.t.Name(), r)
	}
	o.within("another child", elsewhere, o.p.elsewhere)
}

func (o *observation) within(child string, gap time.Duration, w worst) {
	o.t.Helper()
	most := nothing
	if w.formula != "" {
		most = w.of(o.terms) + slack
	}
	if gap > most {
		o.t.Errorf("%s: %s was not served for %v, at most %v is allowed", o.p.name, child, gap, most)
	}
}

// stops fails the test if the side went on to serve for longer than a lease after the cut, or where its coordinator has
// a majority of the nodes, for longer than its authority; and on other nodes, a lease that it granted at the end of that.
func (o *observation) stops(c concern, served time.Duration) {
	o.t.Helper()
	most := o.terms.Lease.Std()
	switch {
	case c.worst.formula == untold.formula:
		return
	case strings.Contains(c.worst.formula, "A"):
		most = o.terms.Authority.Std()
	}
	if strings.Contains(c.worst.formula, "+ L") {
		most += o.terms.Lease.Std()
	}
	if most += nothing; served > most {
		o.t.Errorf("%s: the side that was cut off served %s for %v more, at most %v is allowed", o.p.name, c.child, served, most)
	}
}

// until is when the fault's consequences are looked at: its end, or when all is well after a brief one.
func (o *observation) until() int64 {
	if o.p.brief {
		return o.healed
	}
	return o.to
}

// gap is the longest time in which the majority's clients had no answer from one of some children.
func (o *observation) gap(children []string, from, to int64) time.Duration {
	var most time.Duration
	for _, side := range others(o.side) {
		for _, child := range children {
			most = max(most, history.ServiceOf(o.loads[side].soFar(), child, from, to).Gap)
		}
	}
	return most
}

// holds says what the side had, with the replica of a child that the fault concerns.
func (o *observation) holds(c concern) string {
	var has []string
	if o.p.coordinator {
		has = append(has, "coordinator")
	}
	if o.p.active {
		has = append(has, "active"+c.of)
	}
	if o.p.leads {
		has = append(has, "leader")
	}
	if len(has) == 0 {
		return "none"
	}
	return strings.Join(has, ", ")
}

// place says where a node is.
func (o *observation) place(node string) string {
	switch {
	case node == "":
		return "nobody"
	case o.homeOf(node) == o.side:
		return "its node"
	}
	return "another"
}

// last returns the node that answered the majority for a child at the fault's end; "" if none did.
func (o *observation) last(child string) string {
	return history.ServiceOf(o.loads[others(o.side)[0]].soFar(), child, o.to-int64(time.Second), o.to).Last
}

// minority is for how long the side's client was served on by a child; -1 if it was not cut off.
func (o *observation) minority(child string) time.Duration {
	if !o.p.alone {
		return -1
	}
	last := o.from
	for _, s := range o.loads[o.side].soFar() {
		if s.Child == child && s.Outcome == history.OK && s.Done < o.to {
			last = max(last, s.Done)
		}
	}
	return time.Duration(last - o.from)
}
