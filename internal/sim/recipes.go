package sim

import (
	"math/rand/v2"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Recipe is a sequence of faults that seldom meet by chance, played with other times and nodes each time.
type Recipe struct {
	Name  string
	steps []step
}

// step is one fault of a recipe: when it strikes after the recipe's begin, whom, and for how long.
type step struct {
	kind        Kind
	from, to    int64 // it strikes between these
	who         who
	least, most int64
}

// who is struck by a step.
type who int

const (
	anyone      who = iota
	most            // as much of it as there is
	one             // the recipe's node
	coordinator     // whoever has the role then
	deputy          // whoever is the first to follow
	nodes           // the nodes bucket
	children        // the children bucket
	placements      // the placement bucket
	child           // the recipe's child
)

// Recipes are all that there are.
var Recipes = []Recipe{
	{"a node hangs", []step{
		{Pause, 0, sec, one, 100 * ms, 3 * sec},
		{MoveChild, 0, sec, child, 0, 0},
	}},
	{"a node is not heard", []step{
		{StallOut, 0, sec, one, sec, 3900 * ms},
		{Lag, 0, sec, anyone, 100 * ms, 2 * sec},
	}},
	{"a node hears late, then is not heard", []step{
		{StallIn, 0, 0, one, 300 * ms, 480 * ms},
		{StallOut, 50 * ms, 300 * ms, one, 2 * sec, 3900 * ms},
		{StallIn, 485 * ms, 500 * ms, one, 2 * sec, 3900 * ms},
	}},
	{"a node is cut off", []step{
		{LinkCut, 0, 0, anyone, 2 * sec, 5 * sec},
		{LinkCut, 0, sec, anyone, 2 * sec, 5 * sec},
		{NoLeader, 0, sec, nodes, 100 * ms, sec},
	}},
	{"the coordinator hangs", []step{
		{Pause, 0, 0, coordinator, sec, 6 * sec},
		{StallOut, 0, 100 * ms, coordinator, sec, 3900 * ms},
	}},
	{"the coordinator hangs for a moment, again and again", []step{
		{Stall, 0, 0, coordinator, 900 * ms, 1300 * ms},
		{Late, 500 * ms, 900 * ms, placements, sec, 3 * sec},
		{Stall, 1500 * ms, 3500 * ms, coordinator, 300 * ms, 900 * ms},
		{Stall, 3500 * ms, 5 * sec, coordinator, 300 * ms, 900 * ms},
	}},
	{"the coordinator is cut off", []step{
		{ServerCut, 0, 0, anyone, 4 * sec, 6 * sec},
		{StopChild, sec, 5 * sec, child, 0, 0},
		{StartChild, 2 * sec, 6 * sec, child, 0, 0},
	}},
	{"a node dies and comes back", []step{
		{Crash, 0, 0, one, ms, 500 * ms},
		{Crash, 100 * ms, sec, one, ms, 500 * ms},
		{Loss, 0, 500 * ms, anyone, 100 * ms, sec},
	}},
	{"a node hangs when the coordinator dies", []step{
		{Crash, 0, 5 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, -100 * ms, 60 * ms, one, 300 * ms, 2 * sec},
	}},
	{"a node has left the connection that its record names", []step{
		{Late, 0, 0, nodes, sec, 4 * sec},
		{Reset, 0, 100 * ms, one, 0, 0},
		{Crash, 10 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, 10 * ms, 500 * ms, one, 300 * ms, 2 * sec},
	}},
	{"a node is replaced by another process of its name", []step{
		{Twin, 0, 0, one, 3 * sec, 6 * sec},
		{MoveChild, 3 * sec, 8 * sec, child, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, child, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, anyone, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, anyone, 0, 0},
	}},
	{"a node is heard while it is removed", []step{
		{Deaf, 0, 0, one, 2 * sec, 3 * sec},
		{StallOut, 0, 0, one, 800 * ms, 1100 * ms},
		{Deaf, 700 * ms, 750 * ms, coordinator, 500 * ms, sec},
		{Unacked, 700 * ms, 750 * ms, placements, 500 * ms, 1500 * ms},
		{NoLeader, 760 * ms, 900 * ms, nodes, 500 * ms, sec},
	}},
	{"the coordinator reconnects while a node joins", []step{
		{Crash, 0, 0, one, ms, 50 * ms},
		{Late, 150 * ms, 200 * ms, nodes, sec, 3 * sec},
		{Lag, 150 * ms, 200 * ms, anyone, sec, 2 * sec},
		{Reset, 200 * ms, 900 * ms, coordinator, 0, 0},
	}},
	{"somebody writes to the buckets", []step{
		{Meddle, 0, sec, anyone, 0, 0},
		{Meddle, 0, sec, anyone, 0, 0},
		{Meddle, 0, sec, anyone, 0, 0},
		{Crash, 0, sec, coordinator, ms, sec},
	}},
	{"a newcomer knows the coordinator by an old record", []step{
		{Late, 0, 0, nodes, 2 * sec, 6 * sec},
		{Crash, 0, 300 * ms, one, ms, 500 * ms},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
	}},
	{"the coordinator comes back while it is replaced", []step{
		{Lag, 0, 0, most, 500 * ms, 2 * sec},
		{Late, 0, 0, nodes, sec, 3 * sec},
		{Late, 0, 0, placements, sec, 3 * sec},
		{Reset, 0, sec, coordinator, 0, 0},
		{Reset, 0, sec, coordinator, 0, 0},
	}},
	{"the coordinator comes back while it is fenced", []step{
		{Stall, 0, 0, coordinator, 350 * ms, 700 * ms},
		{Deaf, 300 * ms, 350 * ms, coordinator, sec, 2 * sec},
		{Unacked, 300 * ms, 350 * ms, nodes, sec, 2 * sec},
		{Late, 300 * ms, 350 * ms, placements, sec, 2 * sec},
		{Reset, 350 * ms, 600 * ms, coordinator, 0, 0},
	}},
	{"the coordinator stores something and dies", []step{
		{Loss, 0, 0, most, 300 * ms, sec},
		{StopChild, 0, 100 * ms, child, 0, 0},
		{StartChild, 0, 100 * ms, child, 0, 0},
		{StopChild, 0, 100 * ms, anyone, 0, 0},
		{Crash, 20 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
	}},
	{"the coordinator dies, and its successor did not hear what it stored", []step{
		{Deaf, 0, 0, deputy, 300 * ms, sec},
		{StopChild, 0, 100 * ms, child, 0, 0},
		{StartChild, 0, 100 * ms, anyone, 0, 0},
		{Crash, 20 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
		{StartChild, 100 * ms, 500 * ms, child, 0, 0},
	}},
	{"a write takes effect late", []step{
		{Late, 0, 0, children, sec, 4 * sec},
		{StopChild, 0, 300 * ms, child, 0, 0},
		{Crash, 0, 400 * ms, coordinator, 10 * ms, 3 * sec},
		{StartChild, 300 * ms, sec, child, 0, 0},
	}},
	{"a child moves, and not all hear of it", []step{
		{Loss, 0, 0, most, 500 * ms, 2 * sec},
		{MoveChild, 0, 500 * ms, child, 0, 0},
		{MoveChild, 500 * ms, sec, child, 0, 0},
		{MoveChild, sec, 2 * sec, child, 0, 0},
	}},
	{"a server closes the connection of a node that hangs", []step{
		{Kick, 0, sec, one, 50 * ms, 900 * ms},
	}},
	{"the coordinator pauses while a member does not hear it", []step{
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{HoldUp, 600 * ms, 1200 * ms, coordinator, 250 * ms, 900 * ms},
	}},
	{"the coordinator wakes and does not hear of its end", []step{
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{HoldUp, 0, 300 * ms, coordinator, 900 * ms, 1600 * ms},
	}},
	{"members lose the coordinator one after the other", []step{
		{LinkCut, 0, 0, anyone, 1200 * ms, 2 * sec},
		{LinkCut, 2 * sec, 2500 * ms, anyone, 2 * sec, 3500 * ms},
	}},
	{"the hub grows while its coordinator stops", []step{
		{Crash, 0, 0, one, 500 * ms, 1500 * ms},
		{PauseMidway, 500 * ms, 1600 * ms, coordinator, 1500 * ms, 3900 * ms},
	}},
	{"a commit's outcome is unknown", []step{
		{Late, 0, 0, placements, sec, 3 * sec},
		{Loss, 0, sec, anyone, 100 * ms, sec},
		{Crash, 0, sec, one, 10 * ms, 3 * sec},
	}},
	{"the coordinator goes astray while a node joins", []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Late, 0, 0, placements, sec, 2 * sec},
		{Join, 0, 50 * ms, anyone, 0, 0},
		{Astray, 60 * ms, 500 * ms, coordinator, 3 * sec, 4500 * ms},
	}},
	{"a node reconnects twice, and the coordinator dies", []step{
		{Behind, 0, 0, deputy, 200 * ms, 800 * ms},
		{Reset, 0, 20 * ms, one, 0, 0},
		{Late, 15 * ms, 40 * ms, nodes, sec, 2 * sec},
		{Reset, 30 * ms, 80 * ms, one, 0, 0},
		{Stall, 60 * ms, 200 * ms, one, sec, 3 * sec},
		{Crash, 60 * ms, 250 * ms, coordinator, 10 * ms, 3 * sec},
	}},
	{"the coordinator's record is overwritten in a hub of two", []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Stall, 0, 0, deputy, 500 * ms, 1500 * ms},
		{Deaf, 0, 0, deputy, 200 * ms, 500 * ms},
		{Reset, 20 * ms, 100 * ms, coordinator, 0, 0},
		{Stall, 120 * ms, 300 * ms, coordinator, 2 * sec, 3900 * ms},
		{Meddle, 300 * ms, 600 * ms, nodes, 0, 0},
	}},
	{"the coordinator's name is taken in a hub of two", []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Stall, 0, 0, deputy, 2800 * ms, 3300 * ms},
		{Deaf, 0, 0, deputy, 2800 * ms, 3300 * ms},
		{Reset, 20 * ms, 100 * ms, coordinator, 0, 0},
		{Stall, 120 * ms, 200 * ms, coordinator, 3500 * ms, 3900 * ms},
		{Join, 150 * ms, 400 * ms, anyone, 0, 0},
		{Twin, 2800 * ms, 3100 * ms, coordinator, 100 * ms, 400 * ms},
	}},
}

// play adds the faults of a recipe, from t on.
func (p *Plan) play(rec *Recipe, r *rand.Rand, t int64) {
	node, kid := r.IntN(p.Nodes), r.IntN(Children)
	for _, s := range rec.steps {
		f := Fault{At: max(0, t+pick(r, s.from, s.to)), Kind: s.kind, A: r.IntN(Coordinator), B: r.IntN(60), For: pick(r, s.least, s.most)}
		if s.kind == Kick && p.Config.Failover == protocol.FailoverAuto {
			f.Kind = PauseMidway
		}
		switch s.who {
		case most:
			f.A = 59
		case one:
			f.A = node
		case coordinator:
			f.A = Coordinator
		case deputy:
			f.A = Deputy
		case nodes, children, placements:
			f.A = int(s.who - nodes)
		case child:
			f.A = kid
		case anyone:
		}
		p.Faults = append(p.Faults, f)
	}
}

// Aimed returns a plan that has nothing but one recipe, again and again, in a hub with short times.
func Aimed(rec *Recipe, seed uint64, failover protocol.Failover) Plan {
	r := rand.New(rand.NewPCG(seed, 2))
	p := Plan{Seed: seed, Nodes: 3 + r.IntN(2), Skew: 47_000, Start: 20 * ms, End: 30 * sec}
	p.Config.Heartbeat, p.Config.Lease = protocol.Duration(200*ms), protocol.Duration(time.Second)
	p.Config.Authority = protocol.Duration(4 * time.Second)
	if seed%2 == 0 {
		p.Config.Authority = protocol.Duration(15 * time.Second)
	}
	p.Config.Failover = failover
	p.Config = p.Config.WithDefaults()
	for i := range Children {
		p.Faults = append(p.Faults, Fault{At: r.Int64N(2 * sec), Kind: StartChild, A: i, B: 4 + r.IntN(2)}) // one active, two or three replicas
	}
	for t := 4 * sec; t < p.End; t += 6 * sec {
		p.play(rec, r, t)
	}
	return p
}
