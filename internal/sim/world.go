package sim

import (
	"fmt"
	"math/rand/v2"
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
	rng     *rand.Rand
	now     int64
	seq     uint64
	steps   uint64
	queue   entries
	plan    Plan
	servers []*server
	cuts    map[[2]int]bool // pairs of servers that don't reach each other
	streams map[protocol.Bucket]*stream
	procs   []*process          // all that ever ran
	running map[string]*process // by name: the present ones
	names   []string
	client  client
	check   checker
	fifo    map[[2]*conn]int64
	loss    float64 // of messages on their way
	lag     float64 // chance that a message takes long
	unsafe  Unsafe
	healing bool
	broken  *Violation
	trace   *trace
}

// Violation is a promise that was broken.
type Violation struct {
	Rule string // which one
	Text string // how
	At   time.Duration
}

// Error says all of it.
func (v *Violation) Error() string { return fmt.Sprintf("%s at %v: %s", v.Rule, v.At, v.Text) }

func newWorld(p Plan, u Unsafe, t *trace) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(p.Seed, 0x9e3779b97f4a7c15)), plan: p, unsafe: u, trace: t,
		cuts: map[[2]int]bool{}, streams: map[protocol.Bucket]*stream{}, running: map[string]*process{},
		fifo: map[[2]*conn]int64{},
	}
	w.check.init(w)
	w.client.init(w)
	for i := range servers {
		w.servers = append(w.servers, &server{w: w, index: i})
		w.servers[i].start()
	}
	for _, b := range buckets {
		w.streams[b] = newStream(w, b, w.rng.IntN(servers))
	}
	for i := range p.Nodes {
		w.names = append(w.names, fmt.Sprintf("n%d", i+1))
		w.in(int64(w.rng.IntN(200))*ms, func() { w.boot(w.names[i]) })
	}
	return w
}

var buckets = []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket}

// boot starts a process of that name, if none runs.
func (w *world) boot(name string) {
	if w.running[name] != nil {
		return
	}
	p := newProcess(w, name)
	w.procs = append(w.procs, p)
	w.running[name] = p
	w.logf(name, "process %d starts, clock at %+.1f %%", p.number, float64(p.clock.ppm-1_000_000)/10_000)
	p.tick()
	p.dial()
}

func (w *world) breach(rule, format string, args ...any) {
	if w.broken == nil {
		w.broken = &Violation{rule, fmt.Sprintf(format, args...), time.Duration(w.now)}
		w.logf("", "VIOLATION %s: %s", rule, w.broken.Text)
	}
}

func (w *world) logf(who, format string, args ...any) {
	if w.trace != nil {
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
	return w.between(30*us, 700*us)
}
