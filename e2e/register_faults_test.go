//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// fault is something that is done to a node, a server or a child, and undone after a time.
type fault struct {
	kind   string
	target int
	at     time.Duration // since faults began
	length time.Duration
	node   int // to which a child is moved
}

// String returns the fault in a few words.
func (f fault) String() string {
	return fmt.Sprintf("%v: %s %d for %v", f.at.Round(time.Millisecond), f.kind, f.target+1, f.length.Round(time.Millisecond))
}

// The kinds of faults.
const (
	killNode    = "kill node"
	pauseNode   = "pause node"
	leaveNode   = "leave and rejoin of node"
	killServer  = "kill server"
	pauseServer = "pause server"
	cutServer   = "cut server"
	moveChild   = "move child"
)

// planFaults draws faults for a time. Four nodes: one of the first two and one of the last two at a
// time; three servers, one at a time; and children that are moved about.
func planFaults(seed uint64, d time.Duration, children int) []fault {
	var all []fault
	for lane, draw := range []func(*rand.Rand) fault{
		func(r *rand.Rand) fault { return nodeFault(r, 0) },
		func(r *rand.Rand) fault { return nodeFault(r, 2) },
		serverFault,
		func(r *rand.Rand) fault { return fault{kind: moveChild, target: r.IntN(children), node: r.IntN(4)} },
	} {
		r := rand.New(rand.NewPCG(seed, uint64(1000+lane)))
		for at := between(r, 0.2, 2); at < d; {
			f := draw(r)
			f.at = at
			all = append(all, f)
			at += f.length + between(r, 0.3, 1.7)
			if f.kind != moveChild {
				at += between(r, 0, 3) // faults that follow each other too fast hide what each does
			}
		}
	}
	slices.SortStableFunc(all, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
	return all
}

// between draws a time between two numbers of seconds.
func between(r *rand.Rand, from, to float64) time.Duration {
	return time.Duration((from + (to-from)*r.Float64()) * float64(time.Second))
}

func nodeFault(r *rand.Rand, first int) fault {
	f := fault{target: first + r.IntN(2)}
	switch n := r.IntN(10); {
	case n < 4:
		f.kind, f.length = killNode, between(r, 0, 1.5)
	case n < 9:
		f.kind, f.length = pauseNode, pauseTime(r)
	default:
		f.kind, f.length = leaveNode, between(r, 0.5, 2)
	}
	return f
}

func serverFault(r *rand.Rand) fault {
	f := fault{target: r.IntN(3), kind: []string{killServer, pauseServer, cutServer, cutServer}[r.IntN(4)], length: pauseTime(r)}
	switch f.kind {
	case killServer:
		f.length = between(r, 0.2, 3)
	case cutServer:
		f.length = between(r, 1, 10) // up to more than the election of a leader that was cut off
	}
	return f
}

// pauseTime draws 0.1 to 6 s, often less than a lease and often more.
func pauseTime(r *rand.Rand) time.Duration {
	x := r.Float64()
	return between(r, 0.1, 0.1+5.9*x)
}

// storm has faults befall a hub, in the test's own goroutine.
type storm struct {
	h     *registerHub
	began int64
	done  []fault // as they were begun
	moves sync.WaitGroup
	ends  map[int]func() // by target, servers after nodes
	heals []time.Duration
}

// squall is how long faults go on before the hub is left alone until it has healed: a hub that loses all its
// nodes needs an authority and a lease to come back, and would be denied them for ever.
const squall = 15 * time.Second

// startStorm has faults befall a hub for a time, drawn from a seed, and returns when all is healed.
func startStorm(h *registerHub, seed uint64, d time.Duration) *storm {
	h.t.Helper()
	s := &storm{h: h, began: clock.Now(), ends: map[int]func(){}}
	for round := uint64(0); s.now() < d || round < 3; round++ {
		s.run(planFaults(seed+round, squall, len(h.children)))
		calm := s.now()
		h.settled(len(h.names))
		s.heals = append(s.heals, s.now()-calm)
	}
	return s
}

// step is the beginning or the end of a fault.
type step struct {
	at time.Duration
	do func()
}

// run carries out a plan and returns when all faults have ended.
func (s *storm) run(plan []fault) {
	s.h.t.Helper()
	began := s.now()
	var steps []step
	for _, f := range plan {
		key := f.target
		if strings.HasSuffix(f.kind, "server") {
			key += 100
		}
		steps = append(steps, step{f.at, func() { s.begin(key, f) }})
		if f.kind != moveChild {
			steps = append(steps, step{f.at + f.length, func() { s.end(key) }})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	for _, x := range steps {
		time.Sleep(began + x.at - s.now())
		x.do()
	}
	s.moves.Wait()
}

func (s *storm) now() time.Duration { return time.Duration(clock.Now() - s.began) }

// begin begins a fault. One of a server is left out while another server has not caught up: a
// majority must be there.
func (s *storm) begin(key int, f fault) {
	if strings.HasSuffix(f.kind, "server") && !s.h.serversCurrent() {
		return
	}
	f.at = s.now()
	s.done = append(s.done, f)
	if end := s.inflict(f); end != nil {
		s.ends[key] = end
	}
}

func (s *storm) end(key int) {
	if end := s.ends[key]; end != nil {
		delete(s.ends, key)
		end()
	}
}

// inflict begins a fault and returns what ends it.
func (s *storm) inflict(f fault) (end func()) {
	h := s.h
	switch f.kind {
	case killNode:
		h.kill(h.names[f.target])
		return func() { h.startNode(h.names[f.target]) }
	case pauseNode:
		return paused(h.nodes[h.names[f.target]])
	case leaveNode:
		h.nodes[h.names[f.target]].signal(syscall.SIGTERM)
		return func() { s.rejoin(h.names[f.target]) }
	case killServer:
		h.nats.servers[f.target].kill()
		return func() { h.nats.restart(f.target) }
	case pauseServer:
		return paused(h.nats.servers[f.target].process)
	case cutServer:
		h.routes.cut(f.target)
		return func() { h.routes.heal(f.target) }
	}
	s.moves.Go(func() { h.move(h.children[f.target], h.names[f.node]) })
	return nil
}

func paused(p *process) (wake func()) {
	pause := p.pause()
	return func() { p.wake(pause) }
}

// rejoin starts a node that was asked to leave again. One that could not leave yet is killed first.
func (s *storm) rejoin(name string) {
	p := s.h.nodes[name]
	select {
	case <-p.done:
	default:
		p.kill()
	}
	s.h.startNode(name)
}

// move asks for a child to be moved. That it is refused, or not answered, is as good: clients must not
// notice either.
func (h *registerHub) move(child, node string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _ = h.client.Move(ctx, child, node)
}

// serversCurrent reports whether all servers have all of the hub's streams.
func (h *registerHub) serversCurrent() bool {
	js, err := jetstream.New(h.nc)
	if err != nil {
		return false
	}
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		stream, err := js.Stream(ctx, "KV_"+b.Name(hubName))
		cancel()
		if err != nil || !allCurrent(stream.CachedInfo().Cluster) {
			return false
		}
	}
	return true
}

func allCurrent(c *jetstream.ClusterInfo) bool {
	if c == nil || c.Leader == "" {
		return false
	}
	return !slices.ContainsFunc(c.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline })
}

// summary counts the faults by kind.
func (s *storm) summary() string {
	n := map[string]int{}
	for _, f := range s.done {
		n[f.kind]++
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%d %s", n[kind], kind))
	}
	return strings.Join(parts, ", ")
}

// before returns the last faults that began before an instant.
func (s *storm) before(at int64) []fault {
	i := slices.IndexFunc(s.done, func(f fault) bool { return s.began+int64(f.at) > at })
	if i < 0 {
		i = len(s.done)
	}
	return s.done[max(0, i-8):i]
}
