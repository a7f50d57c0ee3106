package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

const (
	us  = int64(time.Microsecond)
	ms  = int64(time.Millisecond)
	sec = int64(time.Second)
)

// world is one simulated hub, and all that it rests on.
type world struct {
	rng      *rand.Rand
	works    *rand.Rand                 // of active work
	walls    *rand.Rand                 // of wall clocks
	copies   map[protocol.Bucket]copied // of the buckets, that somebody took; nil: none
	now      int64
	seq      uint64
	steps    uint64
	queue    entries
	plan     Plan
	servers  []*server
	routes   [servers * servers]*route
	streams  map[protocol.Bucket]*stream
	procs    []*process          // all that ever ran
	running  map[string]*process // by name: the newest that has not ended
	names    []string            // of the nodes that there are to be
	named    int                 // how many names there were
	client   client
	stranger stranger
	check    checker
	fifo     map[[2]*conn]int64
	loss     float64 // of messages on their way
	sick     map[sick]bool
	lag      float64 // chance that a message takes long
	// unflushed is the chance that a change of subscriptions fails.
	unflushed float64
	unsafe    Unsafe
	healing   bool
	healed    int64 // since when all is as it should be
	broken    *Violation
	trace     *trace
	cores     [cores]int64 // until when each of the common machine is taken, if there is one
	spent     int64        // of their time
	stopped   bool         // all was stopped once
	toil      int64        // about how long a step of a node's loop takes; 0: no time
}

// Violation is a promise that was broken.
type Violation struct {
	Rule string // which one
	Text string // how
	At   time.Duration
	// Stack is of a panic. It differs from run to run, as all else does not.
	Stack string
}

// Error says all of it.
func (v *Violation) Error() string { return fmt.Sprintf("%s at %v: %s", v.Rule, v.At, v.Text) }

func newWorld(p Plan, u Unsafe, t *trace) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(p.Seed, 0x9e3779b97f4a7c15+p.Salt)), plan: p, unsafe: u, trace: t,
		works:   rand.New(rand.NewPCG(p.Seed, 9+p.Salt)),
		walls:   rand.New(rand.NewPCG(p.Seed, 1000+p.Salt)),
		streams: map[protocol.Bucket]*stream{}, running: map[string]*process{},
		fifo: map[[2]*conn]int64{}, sick: map[sick]bool{},
	}
	for i := range w.routes {
		w.routes[i] = &route{since: -1 << 60}
	}
	w.check.init(w)
	w.client.init(w)
	w.stranger = stranger{w: w, rng: rand.New(rand.NewPCG(p.Seed, 11+p.Salt))}
	for i := range servers {
		w.servers = append(w.servers, &server{w: w, index: i})
		w.servers[i].start()
	}
	for _, b := range buckets {
		w.streams[b] = newStream(w, b, w.rng.IntN(servers))
	}
	for range p.Nodes {
		name := w.newName()
		w.in(int64(w.rng.IntN(200))*ms, func() { w.boot(name) })
	}
	return w
}

// newName adds a name that no node had before.
func (w *world) newName() string {
	w.named++
	name := fmt.Sprintf("n%d", w.named)
	w.names = append(w.names, name)
	return name
}

func (w *world) labels(name string) map[string]string {
	if !w.plan.Uneven {
		return nil
	}
	return map[string]string{"zone": string('a' + name[1]%2)}
}

func (w *world) capacity(name string) int {
	if !w.plan.Uneven {
		return 1
	}
	return 1 + int(name[1])%3
}

var buckets = []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket}

// boot starts a process of that name, if there is to be one and none is there, or once the one that leaves has
// ended.
func (w *world) boot(name string) {
	switch p := w.running[name]; {
	case !slices.Contains(w.names, name):
	case p == nil:
		w.launch(name)
	case p.leaving:
		w.in(100*ms, func() { w.boot(name) })
	}
}

// launch starts a process.
func (w *world) launch(name string) {
	p := newProcess(w, name)
	w.procs = append(w.procs, p)
	w.running[name] = p
	w.tell(name, "process %d starts, its clock at %+.1f %%", p.number, float64(p.clock.ppm-1_000_000)/10_000)
	p.tick()
	if w.plan.OneMachine {
		w.at(w.spend(startCost), p.dial)
		return
	}
	p.dial()
}

// ended notes that a process has ended. Another one of its name may still be there.
func (w *world) ended(p *process) {
	if w.running[p.name] != p {
		return
	}
	delete(w.running, p.name)
	for _, x := range w.procs {
		if x.name == p.name && !x.gone {
			w.running[p.name] = x
		}
	}
}

// living returns how many processes of a name there are.
func (w *world) living(name string) int {
	n := 0
	for _, p := range w.procs {
		if p.name == name && !p.gone {
			n++
		}
	}
	return n
}

func (w *world) breach(rule, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Violation{Rule: rule, Text: fmt.Sprintf(format, args...), At: time.Duration(w.now)}
		w.tell("", "VIOLATION %s: %s", rule, w.broken.Text)
	}
}

// tell adds to the story.
func (w *world) tell(who, format string, args ...any) {
	if w.trace != nil {
		w.trace.add(w.now, who, fmt.Sprintf(format, args...))
	}
}

// logf adds to the story what only those want to read who know the machines.
func (w *world) logf(who, format string, args ...any) {
	if w.trace != nil && w.trace.detail {
		w.trace.add(w.now, who, fmt.Sprintf(format, args...))
	}
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// between returns a random length of time.
func (w *world) between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + w.rng.Int64N(hi-lo)
}

// latency is how long one hop takes.
func (w *world) latency() int64 {
	if w.chance(w.lag) {
		if w.chance(0.1) {
			return w.between(300*ms, 4*sec)
		}
		return w.between(5*ms, 300*ms)
	}
	return w.spend(hopCost) - w.now + w.between(30*us, 700*us+hopToil*w.toil)
}
