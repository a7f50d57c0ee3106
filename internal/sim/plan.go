package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Plan is what a run is made of. The rest follows from its seed.
type Plan struct {
	Seed       uint64
	Nodes      int
	Config     protocol.Config
	Salt       uint64 // another run of the same plan
	Skew       int64  // of the clocks' rates, in millionths, either way: 47,000 are a ratio of 1.0986
	GiveUp     int64  // for how long a server waits for a client that answers no pings; not shorter than protocol.Contact
	Memory     int64  // for how long a server believes that it reaches those that it is cut from
	Uneven     bool   // nodes differ in zone and capacity
	Start      int64  // for how long a worker may take to start
	StartFails float64
	Work       int64                      // for how long active work may go on after its end was asked for; 0: it ends at once
	Ailing     bool                       // whoever is sick must lose the active role: nothing else goes wrong
	Restarts   [Children]protocol.Restart // how often a child's worker is restarted; zero: as by default
	Faults     []Fault
	Crowd      bool  // nodes keep the order of a large hub
	OnlySlow   bool  // nothing is wrong but that everything is slow
	OneMachine bool  // all nodes share a machine with few cores
	GoneAfter  int64 // for how long the record of a node that is gone stays; 0: longer than any run lasts
	End        int64 // when the faults end
	Unserved   int64 // for how long a child may be unserved; 0: it is not looked at
}

// Fault is something that goes wrong, or that somebody asks for.
type Fault struct {
	At   int64
	Kind Kind
	A, B int   // which node, server, stream or child
	For  int64 // for how long
}

// Kind is what kind of fault it is.
type Kind int

// The kinds.
const (
	Crash       Kind = iota // a process ends; its server notices at once
	PowerLoss               // a process ends; its server doesn't notice for long
	Pause                   // a process stops for some time
	PauseMidway             // the same, in the middle of a step
	Twin                    // a process stops for some time, and another one is started under its name
	HoldUp                  // only its loop stops; what it serves goes on
	Reset                   // a connection closes; both ends notice at once
	Astray                  // a connection closes, and the process comes back over another one's server, which is cut off from the rest
	Kick                    // a process is paused; with failover strict or fast its server closes its connection meanwhile
	Deaf                    // what streams store does not reach a process
	Behind                  // it reaches it late, all at once
	Stall                   // a connection carries nothing for some time
	StallIn                 // in one direction only
	StallOut
	ServerCrash
	ServerCut    // a server and its clients reach no other
	LinkCut      // two servers don't reach each other
	OneWayCut    // one server doesn't reach another, which reaches it
	LinkHeld     // what one server sends another arrives late, all at once
	NoLeader     // a stream has no leader
	NoQuorum     // no stream has a majority
	Unacked      // writes to a stream take effect, and their answers get lost
	Loss         // messages get lost
	Lag          // messages take long, overtake others
	Late         // writes to a stream take effect after their writer gave up
	Leave        // a node leaves in order, and comes back
	LeaveForGood // it does not
	LostForGood  // a process ends and never comes back
	Join         // a node joins that was never there
	Meddle       // somebody writes to a bucket, or deletes from it
	ForgeView    // somebody stores a well-formed view, in the coordinator's or another's name
	ForgeRecord  // somebody stores a well-formed record in a node's name: a fence, a leave, another incarnation
	PutBack      // somebody stores a node's former record again
	StartChild   // somebody asks for a child
	StopChild    // somebody asks for its end
	MoveChild    // somebody asks for a move
	WorkerFailed // a worker ends with an error
	LongRequest  // a request arrives whose handler takes long
	Forge        // somebody publishes records that no stream stored; in every run
	Drain        // a node drains: it leaves later, or somebody asked for it, and ends that later
	Respecify    // somebody changes a child's spec in the bucket, or deletes it, and does so again
	// In every run, somebody sends what he did not write, wrote in others' names, or changed:
	FalseBeats    // heartbeats
	FalseAnswers  // answers to heartbeats, beside the true ones
	FalseReleases // requests for release, and answers to those of others
	Copy          // somebody copies all buckets
	Restore       // all nodes end, and somebody puts the copy in the buckets' place
	Lose          // all nodes end, and somebody deletes the buckets
	SlowStop      // a worker will take long to stop
	Unflushed     // changes of subscriptions fail, and have been carried out, or are later, or not at all
	Full          // a stream refuses what is to be stored
	Sick          // on one node, a child's worker ends with an error whenever it has been active for a while
	OwnKeys       // somebody stores foreign values under nodes' own keys in a loop
	ChangeChild   // somebody asks for a child to be something else
	SetHub        // somebody asks for another configuration
	Slow          // each step of each node's loop takes time
	Stop          // all nodes stop, and so do the servers
	kinds
)

var kindNames = [...]string{
	"crash", "power loss", "pause", "pause midway", "twin", "hold up", "reset", "astray", "kick", "deaf", "behind",
	"stall", "stall in", "stall out",
	"server crash", "server cut", "link cut", "one-way cut", "link held", "no leader", "no quorum",
	"unacked", "loss", "lag", "late", "leave", "leave for good", "lost for good", "join", "meddle", "forge view", "forge record", "put back",
	"start child", "stop child", "move child", "worker failed", "long request", "forge", "drain", "respecify",
	"false beats", "false answers", "false releases", "copy", "restore", "lose",
	"slow stop", "unflushed", "full", "sick", "own keys", "change child", "set hub", "slow", "stop",
}

// String returns the kind's name.
func (k Kind) String() string { return kindNames[k] }

// String describes the fault.
func (f Fault) String() string {
	return fmt.Sprintf("%8.3f %-14s a=%-2d b=%-2d for %v", time.Duration(f.At).Seconds(), f.Kind, f.A, f.B, time.Duration(f.For).Round(time.Millisecond))
}

// Coordinator as a fault's A is the node that coordinates at that moment, and Deputy the member that is the
// first to take its place. Smaller ones name a node.
const (
	Coordinator = 50
	Deputy      = 58
)

// Child as the B of a failed worker, plus a child's number, is the worker of that child; A may then be Active: where the
// child is active at that moment. Smaller ones name any worker of a node. As the B of a forged record of a node, plus a
// node's number, it is that node's renewal, of the next revision.
const (
	Child  = 60
	Active = 60
)

// Children is how many children a run has at most.
const Children = 5

// One of so many runs is of a hub with failover fast and access to the system account.
const fastEvery = 7

// One of so many runs sees the records of nodes go that are gone: shortly after it, which is harder than an hour.
const tidyEvery = 3

// One of so many runs has its nodes keep the order of a large hub.
const crowdEvery = 4

// PlanOf returns the plan of a seed: it chooses some kinds of faults, and plays them again and again.
func PlanOf(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := Plan{Seed: seed, Nodes: 2 + r.IntN(4), Skew: 47_000, Start: 20 * ms, End: 15*sec + r.Int64N(25*sec)}
	if r.IntN(4) == 0 {
		p.Skew = 0
	}
	if r.IntN(3) == 0 {
		p.Config.Failover = protocol.FailoverStrict
	}
	if seed%tidyEvery == 0 {
		p.GoneAfter = 10 * sec
	}
	if seed%fastEvery == 0 {
		p.Config.Failover = protocol.FailoverFast
	}
	switch r.IntN(8) {
	case 0:
		p.times(100*ms, 300*ms, 600*ms)
	case 1, 2, 3:
		p.times(200*ms, sec, 4*sec)
	}
	if r.IntN(8) == 0 {
		p.StartFails = 0.2
	}
	if r.IntN(4) == 0 {
		p.Start = sec
	}
	p.Memory = r.Int64N(3) * 3 * sec
	p.Uneven = r.IntN(4) == 0
	p.patience(rand.New(rand.NewPCG(seed, 3)))
	p.Config = p.Config.WithDefaults()
	for i := range Children {
		p.Faults = append(p.Faults, Fault{At: r.Int64N(2 * sec), Kind: StartChild, A: i})
	}
	p.faults(r)
	p.frailty(rand.New(rand.NewPCG(seed, 4)))
	p.forgery(rand.New(rand.NewPCG(seed, 5)))
	p.foreign(rand.New(rand.NewPCG(seed, 6)))
	p.drains(rand.New(rand.NewPCG(seed, 7)))
	p.works(rand.New(rand.NewPCG(seed, 9)))
	p.Crowd = seed%crowdEvery == 1
	p.respecify(rand.New(rand.NewPCG(seed, 10)))
	p.strangers(rand.New(rand.NewPCG(seed, 12)))
	p.losses(rand.New(rand.NewPCG(seed, 13)))
	p.refusals(rand.New(rand.NewPCG(seed, 14)))
	p.sickness(rand.New(rand.NewPCG(seed, 15)))
	p.ownKeys(rand.New(rand.NewPCG(seed, 16)))
	p.changes(rand.New(rand.NewPCG(seed, 21)))
	p.settings(rand.New(rand.NewPCG(seed, 22)))
	return p
}

// respecify has somebody change specs, now and then.
func (p *Plan) respecify(r *rand.Rand) {
	for t := r.Int64N(8 * sec); t < p.End; t += sec + r.Int64N(10*sec) {
		p.play(&specRecipes[r.IntN(len(specRecipes))], r, t)
	}
}

// foreign has somebody store what looks like phub's own values, now and then.
func (p *Plan) foreign(r *rand.Rand) {
	for t := r.Int64N(4 * sec); t < p.End; t += sec + r.Int64N(6*sec) {
		p.Faults = append(p.Faults, faultOf(r, ForgeView+Kind(r.IntN(3)), t))
	}
}

// patience draws how long servers wait for their clients, and sometimes has leases that last longer.
func (p *Plan) patience(r *rand.Rand) {
	p.GiveUp = pick(r, int64(protocol.Contact), 3*sec, 6*sec, 30*sec)
	if r.IntN(6) == 0 {
		p.times(500*ms, 6*sec, 15*sec)
	}
}

// frailty draws how soon the children's replicas are given up, sometimes has most starts fail, and plays the
// recipes for that.
func (p *Plan) frailty(r *rand.Rand) {
	if r.IntN(2) == 0 {
		return
	}
	limits := []protocol.Restart{
		{}, {Max: 1}, {Max: 1, Policy: protocol.Transient}, {Max: 2, Within: protocol.Duration(2 * time.Second)}, {Policy: protocol.Temporary},
	}
	for i := range p.Restarts {
		p.Restarts[i] = limits[r.IntN(len(limits))]
		p.Faults[i].B = r.IntN(60) // the first start of each, with whatever redundancy
	}
	if r.IntN(4) == 0 {
		p.StartFails = 0.6
	}
	for t := r.Int64N(6 * sec); t < p.End; t += 2*sec + r.Int64N(6*sec) {
		p.play(&frailRecipes[r.IntN(len(frailRecipes))], r, t)
	}
}

func (p *Plan) times(heartbeat, lease, authority int64) {
	p.Config.Heartbeat, p.Config.Lease = protocol.Duration(heartbeat), protocol.Duration(lease)
	p.Config.Authority = protocol.Duration(authority)
}

func (p *Plan) faults(r *rand.Rand) {
	var chosen []Kind
	for range 1 + r.IntN(6) {
		chosen = append(chosen, Kind(r.IntN(int(Forge))))
	}
	gap := 200*ms + r.Int64N(4*sec)
	for t := r.Int64N(4 * sec); t < p.End; t += r.Int64N(2 * gap) {
		for range 1 + r.IntN(3) { // some at once
			p.Faults = append(p.Faults, faultOf(r, chosen[r.IntN(len(chosen))], t+r.Int64N(20*ms)))
		}
	}
	if r.IntN(2) == 0 {
		for t := r.Int64N(6 * sec); t < p.End; t += 2*sec + r.Int64N(10*sec) {
			p.burst(r, t)
		}
	}
	if r.IntN(2) == 0 {
		for t := r.Int64N(6 * sec); t < p.End; t += 3*sec + r.Int64N(6*sec) {
			p.play(&Recipes[r.IntN(len(Recipes)-len(workRecipes)-len(specRecipes)-len(strangerRecipes)-len(lossRecipes)-len(refusalRecipes)-len(sickRecipes)-len(changeRecipes)-len(settingRecipes)-len(lateRecipes))], r, t)
		}
	}
	for t := int64(0); t < p.End; t += r.Int64N(3 * sec) {
		p.Faults = append(p.Faults, faultOf(r, StartChild+Kind(r.IntN(3)), t))
	}
}

// burst strikes one node and the coordinator in several ways within a second, and often takes the
// nodes bucket's leader away: what each survives alone may not be survived together.
func (p *Plan) burst(r *rand.Rand, t int64) {
	a := r.IntN(Coordinator)
	for _, k := range []Kind{Reset, NoLeader, Crash, Pause, PauseMidway, Twin, HoldUp, Reset, Astray, Deaf, Behind, Late, Unacked, Leave} {
		if r.IntN(2) == 0 {
			continue
		}
		f := faultOf(r, k, t+r.Int64N(800*ms))
		switch f.A = a; {
		case k == NoLeader || k == Late || k == Unacked:
			f.A = 3 * r.IntN(9) // the nodes bucket
		case k == Crash || r.IntN(3) == 0:
			f.A = Coordinator
		}
		if k == Pause || k == PauseMidway || k == HoldUp {
			f.For = pick(r, 100*ms, sec, 5*sec)
		}
		p.Faults = append(p.Faults, f)
	}
}

func faultOf(r *rand.Rand, k Kind, at int64) Fault {
	f := Fault{At: at, Kind: k, A: r.IntN(60), B: r.IntN(60)}
	switch k {
	case Crash, PowerLoss, Leave:
		f.For = pick(r, 0, 10*ms, 300*ms, 3*sec, 20*sec)
	case Pause, PauseMidway, Twin, HoldUp, Kick, Stall, StallIn, StallOut:
		f.For = pick(r, ms, 100*ms, sec, 5*sec, 20*sec)
	case Deaf, Behind:
		f.For = pick(r, ms, 100*ms, sec, 5*sec)
	case ServerCrash, ServerCut, LinkCut, OneWayCut, Astray:
		f.For = pick(r, 100*ms, sec, 10*sec, 30*sec)
	case LinkHeld:
		f.For = pick(r, 100*ms, sec, 4*sec)
	case NoLeader:
		f.For = pick(r, 100*ms, 4*sec, 9*sec)
	case NoQuorum:
		f.For = pick(r, sec, 10*sec, 40*sec)
	case Loss, Lag, Late, Unacked, Unflushed, Full:
		f.For = pick(r, 100*ms, 2*sec, 10*sec)
	case FalseBeats, FalseAnswers, FalseReleases:
		f.For = pick(r, 100*ms, sec, 5*sec)
	case OwnKeys:
		f.For = pick(r, 10*ms, sec, 5*sec, 20*sec)
	case LongRequest, SlowStop:
		f.For = pick(r, 100*ms, sec, 5*sec)
	}
	return f
}

// pick returns a length of time between two neighbours of a list.
func pick(r *rand.Rand, steps ...int64) int64 {
	i := r.IntN(len(steps) - 1)
	return steps[i] + r.Int64N(steps[i+1]-steps[i]+1)
}
