package view_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// origin is what the nodes' clocks show when a story begins: not zero, which means "never".
const origin = time.Hour

// world is a hub in which everything takes no time, unless a story says that it doesn't come through.
type world struct {
	now    time.Duration
	queue  []func()
	timers []timer
	store  *store
	other  *store                 // of another hub of the name, in a JetStream domain of its own
	open   map[protocol.Conn]bool // as the servers see it
	silent bool                   // servers answer no question about connections
	access bool                   // the hub's account has access to the system account
	nodes  map[string]*process    // by name: the present ones
	conns  uint64
	ids    map[string]int
	ask    uint64
	stall  map[protocol.Bucket][]func()      // what waits while a bucket takes no writes; nil: it takes them
	slow   map[protocol.Bucket]time.Duration // how long each write takes
	acks   map[protocol.Bucket][]string      // what becomes of the next writes' answers
	trace  bool
	unsafe view.Unsafe
	dual   map[string]bool      // reported
	walls  map[string]time.Time // where a wall clock that was set stood when the world began
	copy   *store               // of the buckets, that somebody took
	out    strings.Builder
}

type timer struct {
	at time.Duration
	do func()
}

func newWorld() *world {
	return &world{
		store: newStore(), other: newStore(), open: map[protocol.Conn]bool{}, nodes: map[string]*process{}, ids: map[string]int{},
		stall: map[protocol.Bucket][]func(){}, acks: map[protocol.Bucket][]string{}, dual: map[string]bool{}, walls: map[string]time.Time{},
		slow: map[protocol.Bucket]time.Duration{},
	}
}

// clock returns the time. Wall clocks stand still until a story sets one, so that views are numbered 1, 2, 3.
func (w *world) clock() view.Now {
	return view.Now{Mono: origin + w.now, Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// clockOf returns the time as a node's clocks say it.
func (w *world) clockOf(node string) view.Now {
	now := w.clock()
	if set, ok := w.walls[node]; ok {
		now.Wall = set.Add(w.now)
	}
	return now
}

// setClock sets the wall clock of a node: clock NODE TIME.
func (w *world) setClock(d *datadriven.TestData) error {
	t, err := time.Parse(time.RFC3339, d.CmdArgs[1].Key)
	w.walls[first(d)] = t.Add(-w.now)
	return err
}

func (w *world) log(who, format string, args ...any) {
	fmt.Fprintf(&w.out, "%-7s %s: %s\n", w.now, who, fmt.Sprintf(format, args...))
}

func (w *world) after(d time.Duration, do func()) {
	w.timers = append(w.timers, timer{w.now + d, do})
}

// settle does what follows, until nothing does.
func (w *world) settle() {
	for n := 0; len(w.queue) > 0; n++ {
		if n == endless {
			w.log("world", "DOES NOT SETTLE")
			w.queue = nil
			return
		}
		do := w.queue[0]
		w.queue = w.queue[1:]
		do()
		if len(w.queue) == 0 {
			w.report()
		}
	}
}

// endless is how many things in a row, at one instant, mean that there is no end to them.
const endless = 20_000

func (w *world) soon(do func()) { w.queue = append(w.queue, do) }

// pass lets time go by, tick by tick.
func (w *world) pass(d time.Duration) {
	for end := w.now + d; w.now < end; {
		w.now += view.TickEvery
		w.due()
		for _, n := range w.names() {
			w.nodes[n].gets(view.Tick{})
		}
		w.settle()
		w.check()
	}
}

// due does what was to be done at some time that has come.
func (w *world) due() {
	timers := w.timers
	w.timers = nil
	for _, t := range timers {
		if t.at <= w.now {
			w.soon(t.do)
		} else {
			w.timers = append(w.timers, t)
		}
	}
}

// shut closes a connection as its server sees it, and tells all others if they have access to that.
func (w *world) shut(c protocol.Conn) {
	w.open[c] = false
	for _, n := range w.names() {
		if p := w.nodes[n]; w.access && (p.conn == nil || *p.conn != c) {
			p.hears(view.ConnReported{Conn: c})
		}
	}
}

// kick has a server close a connection. A process that is stopped learns of it when it wakes.
func (w *world) kick(a view.Kick) view.Event {
	done := view.Kicked{Node: a.Node, Conn: a.Conn}
	p := w.nodes[a.Node]
	switch {
	case !w.access:
		done.Outcome = view.NobodyListens
	case p == nil || p.conn == nil || *p.conn != a.Conn || !w.open[a.Conn]:
		done.Outcome = view.Conflict
	case p.frozen || p.cut:
		w.shut(a.Conn)
		p.kicked = true
		if p.frozen {
			p.run(p.disconnect)
		}
	default:
		p.disconnect()
	}
	return done
}

func (w *world) names() []string {
	names := make([]string, 0, len(w.nodes))
	for n := range w.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// report tells each node's deciding side what its running side has to say, if that is news.
func (w *world) report() {
	for _, n := range w.names() {
		p := w.nodes[n]
		if r := p.local.report(w); !sameReport(r, p.said) && p.conn != nil && !p.frozen {
			p.said = r
			p.gets(view.LocalReport{Report: r})
		}
	}
}

func sameReport(x, y protocol.Report) bool {
	return x.Settled == y.Settled && slices.Equal(x.Waiting, y.Waiting) && slices.Equal(x.Failed, y.Failed) &&
		x.Children == y.Children && x.Active == y.Active && slices.Equal(x.Restarted, y.Restarted)
}

// check looks whether two replicas of one child serve that may not.
func (w *world) check() {
	serving := map[string][]string{}
	for _, n := range w.names() {
		if w.nodes[n].kicked {
			continue // it may go on until its lease ends: that is what failover fast leaves open
		}
		for _, child := range w.nodes[n].serves(w) {
			if w.nodes[n].elsewhere {
				child += " of the other hub"
			}
			serving[child] = append(serving[child], n)
		}
	}
	for child, nodes := range serving {
		if len(nodes) > 1 && !w.dual[child] {
			w.dual[child] = true
			w.log("world", "TWO ACTIVE: %s on %v", child, nodes)
		}
	}
}
