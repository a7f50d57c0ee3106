//go:build linux && e2e

package e2e

import (
	"errors"
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
	before                      string // the node on which child1 was active
	lost                        int64  // frames, by the fault
	from, to, settledAt, healed int64
	rejoined                    time.Duration // after the fault's begin
	replaced                    atomic.Int64  // when another coordinator was announced; 0 if none was
}

// begin notes how things are, and listens for a new coordinator on the majority's side.
func (o *observation) begin() {
	o.t.Helper()
	o.before = o.active()[o.children[0]]
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

// wait lets the fault go on until some time after the majority has a coordinator and serves child1.
func (o *observation) wait(most time.Duration) {
	time.Sleep(o.p.lasts) // the fault's length, not a wait for anything
	if o.p.brief {
		return
	}
	deadline := o.from + int64(max(most, o.p.lasts))
	for clock.Now() < deadline && !(o.isServed() && (!o.p.coordinator || o.replaced.Load() != 0)) {
		time.Sleep(20 * time.Millisecond)
	}
	if o.p.rejoins {
		o.rejoin()
	}
	time.Sleep(afterwards()) // the fault is not healed by the takeover
}

// rejoin waits until the side's node is a member again, by another server.
func (o *observation) rejoin() {
	o.t.Helper()
	const most = 45 * time.Second // an authority, a lease, and what it takes to connect, more than once, and be admitted
	eventually(o.t, most, "the node finds another server", func() error {
		if at := o.at(o.side); at == o.conns[o.side].ConnectedServerId() {
			return errors.New("it is still at its own")
		}
		return nil
	})
	o.settled(sides)
	o.rejoined = time.Duration(clock.Now() - o.from)
}

// isServed reports whether child1 answered the majority lately.
func (o *observation) isServed() bool {
	lately := clock.Now() - int64(500*time.Millisecond)
	for _, side := range others(o.side) {
		if answered(o.loads[side], o.children[0], lately) == nil {
			return true
		}
	}
	return false
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
func (o *observation) judge(terms protocol.Config) {
	o.t.Helper()
	r := row{
		name: o.p.name, holds: o.holds(), worst: o.p.worst, limit: o.p.worst.of(terms),
		seen: o.gap(o.children[:1], o.from, o.until()), elsewhere: o.gap(o.children[1:], o.from, o.until()),
		minority: o.minority(), settled: time.Duration(o.settledAt - o.to), after: o.gap(o.children, o.to, o.healed),
	}
	r.before, r.during, r.healed = o.serves()
	r.rejoined = o.rejoined
	if at := o.replaced.Load(); at != 0 && at < o.to {
		r.replaced = time.Duration(at - o.from)
	}
	o.t.Logf("%v; %d frames lost", r, o.lost)
	o.within("child1", r.seen, o.p.worst, terms)
	o.within("another child", r.elsewhere, o.p.elsewhere, terms)
	table.add(o.t.Name(), r)
}

func (o *observation) within(child string, gap time.Duration, w worst, terms protocol.Config) {
	o.t.Helper()
	most := nothing
	if w.formula != "" {
		most = w.of(terms) + slack
	}
	if gap > most {
		o.t.Errorf("%s: %s was not served for %v, at most %v is allowed", o.p.name, child, gap, most)
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

// holds says what the side had.
func (o *observation) holds() string {
	var has []string
	if o.p.coordinator {
		has = append(has, "coordinator")
	}
	if o.p.active {
		has = append(has, "active")
	}
	if o.p.leads {
		has = append(has, "leader")
	}
	if len(has) == 0 {
		return "none"
	}
	return strings.Join(has, ", ")
}

// serves says who answered the majority for child1: before, at the fault's end, and when all was well again.
func (o *observation) serves() (before, during, healed string) {
	name := func(node string) string {
		switch node {
		case "":
			return "nobody"
		case host("n", o.side):
			return "its node"
		}
		return "another"
	}
	late := history.ServiceOf(o.loads[others(o.side)[0]].soFar(), o.children[0], o.to-int64(time.Second), o.to)
	now := o.active()[o.children[0]]
	return name(o.before), name(late.Last), name(now)
}

// minority says for how long the side's client was served on by child1, if it was cut off.
func (o *observation) minority() string {
	if !o.p.alone {
		return "–"
	}
	last := o.from
	for _, s := range o.loads[o.side].soFar() {
		if s.Child == o.children[0] && s.Outcome == history.OK && s.Done < o.to {
			last = max(last, s.Done)
		}
	}
	return seconds(time.Duration(last - o.from))
}
