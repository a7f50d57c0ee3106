package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Recipe is a sequence of faults that seldom meet by chance, played with other times and nodes each time.
type Recipe struct {
	Name  string
	steps []step
	lease int64 // of the hub, when a plan aims at what it is for; 0: a second
	work  int64 // for how long active work may go on after its end was asked for, when a plan aims at that
	brief bool  // children end with their worker, when a plan aims at that
	ail   bool  // whoever is sick must lose the active role, when a plan aims at that
	late  bool  // nothing is wrong but that nobody has time, when a plan aims at that
	frail bool  // replicas are given up after one or two restarts, when a plan aims at that
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
	hither          // the recipe's child, which moves to the recipe's node
	onward          // the recipe's child, which moves to the node after that one
	its             // the worker of the recipe's child on the recipe's node
	serving         // the worker of the recipe's child that is active
	renewal         // a renewal of the recipe's node
)

// Recipes are all that there are.
var Recipes = slices.Concat([]Recipe{
	{Name: "a node hangs", steps: []step{
		{Pause, 0, sec, one, 100 * ms, 3 * sec},
		{MoveChild, 0, sec, child, 0, 0},
	}},
	{Name: "a node is not heard", steps: []step{
		{StallOut, 0, sec, one, sec, 3900 * ms},
		{Lag, 0, sec, anyone, 100 * ms, 2 * sec},
	}},
	{Name: "a node hears late, then is not heard", steps: []step{
		{StallIn, 0, 0, one, 300 * ms, 480 * ms},
		{StallOut, 50 * ms, 300 * ms, one, 2 * sec, 3900 * ms},
		{StallIn, 485 * ms, 500 * ms, one, 2 * sec, 3900 * ms},
	}},
	{Name: "a node is cut off", steps: []step{
		{LinkCut, 0, 0, anyone, 2 * sec, 5 * sec},
		{LinkCut, 0, sec, anyone, 2 * sec, 5 * sec},
		{NoLeader, 0, sec, nodes, 100 * ms, sec},
	}},
	{Name: "the coordinator hangs", steps: []step{
		{Pause, 0, 0, coordinator, sec, 6 * sec},
		{StallOut, 0, 100 * ms, coordinator, sec, 3900 * ms},
	}},
	{Name: "the coordinator hangs for a moment, again and again", steps: []step{
		{Stall, 0, 0, coordinator, 900 * ms, 1300 * ms},
		{Late, 500 * ms, 900 * ms, placements, sec, 3 * sec},
		{Stall, 1500 * ms, 3500 * ms, coordinator, 300 * ms, 900 * ms},
		{Stall, 3500 * ms, 5 * sec, coordinator, 300 * ms, 900 * ms},
	}},
	{Name: "the coordinator is cut off", steps: []step{
		{ServerCut, 0, 0, coordinator, 4 * sec, 6 * sec},
		{StopChild, sec, 5 * sec, child, 0, 0},
		{StopChild, 2 * sec, 6 * sec, anyone, 0, 0},
		{StopChild, 2 * sec, 6 * sec, anyone, 0, 0},
		{StartChild, 2 * sec, 6 * sec, child, 0, 0},
	}},
	{Name: "a node dies and comes back", steps: []step{
		{Crash, 0, 0, one, ms, 500 * ms},
		{Crash, 100 * ms, sec, one, ms, 500 * ms},
		{Loss, 0, 500 * ms, anyone, 100 * ms, sec},
	}},
	{Name: "a node hangs when the coordinator dies", steps: []step{
		{Crash, 0, 5 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, -100 * ms, 60 * ms, one, 300 * ms, 2 * sec},
	}},
	{Name: "a node has left the connection that its record names", steps: []step{
		{NoLeader, 0, 5 * ms, nodes, 20 * ms, 80 * ms},
		{Reset, 5 * ms, 15 * ms, one, 0, 0},
		{Crash, 60 * ms, 200 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, 60 * ms, 200 * ms, one, 300 * ms, 2 * sec},
	}},
	{Name: "a node is replaced by another process of its name", steps: []step{
		{Twin, 0, 0, one, 3 * sec, 6 * sec},
		{MoveChild, 3 * sec, 8 * sec, child, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, child, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, anyone, 0, 0},
		{MoveChild, 3 * sec, 8 * sec, anyone, 0, 0},
	}},
	{Name: "a node is heard while it is removed", steps: []step{
		{Deaf, 0, 0, one, 2 * sec, 3 * sec},
		{StallOut, 0, 0, one, 800 * ms, 1100 * ms},
		{Deaf, 700 * ms, 750 * ms, coordinator, 500 * ms, sec},
		{Unacked, 700 * ms, 750 * ms, placements, 500 * ms, 1500 * ms},
		{NoLeader, 760 * ms, 900 * ms, nodes, 500 * ms, sec},
	}},
	{Name: "the coordinator reconnects while a node joins", steps: []step{
		{Crash, 0, 0, one, ms, 50 * ms},
		{NoLeader, 245 * ms, 250 * ms, nodes, 30 * ms, 100 * ms},
		{Reset, 250 * ms, 260 * ms, coordinator, 0, 0},
		{StallOut, 270 * ms, 300 * ms, coordinator, 200 * ms, 700 * ms},
	}},
	{Name: "somebody writes to the buckets", steps: []step{
		{Meddle, 0, sec, anyone, 0, 0},
		{Meddle, 0, sec, anyone, 0, 0},
		{Meddle, 0, sec, anyone, 0, 0},
		{Crash, 0, sec, coordinator, ms, sec},
	}},
	{Name: "a newcomer knows the coordinator by an old record", steps: []step{
		{Late, 0, 0, nodes, 2 * sec, 6 * sec},
		{Crash, 0, 300 * ms, one, ms, 500 * ms},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
	}},
	{Name: "the coordinator comes back while it is replaced", steps: []step{
		{Lag, 0, 0, most, 500 * ms, 2 * sec},
		{Late, 0, 0, nodes, sec, 3 * sec},
		{Late, 0, 0, placements, sec, 3 * sec},
		{Reset, 0, sec, coordinator, 0, 0},
		{Reset, 0, sec, coordinator, 0, 0},
	}},
	{Name: "the coordinator comes back while it is fenced", steps: []step{
		{Stall, 0, 0, coordinator, 350 * ms, 700 * ms},
		{Deaf, 300 * ms, 350 * ms, coordinator, sec, 2 * sec},
		{Unacked, 300 * ms, 350 * ms, nodes, sec, 2 * sec},
		{Late, 300 * ms, 350 * ms, placements, sec, 2 * sec},
		{Reset, 350 * ms, 600 * ms, coordinator, 0, 0},
	}},
	{Name: "the coordinator stores something and dies", steps: []step{
		{Loss, 0, 0, most, 300 * ms, sec},
		{StopChild, 0, 100 * ms, child, 0, 0},
		{StartChild, 0, 100 * ms, child, 0, 0},
		{StopChild, 0, 100 * ms, anyone, 0, 0},
		{Crash, 20 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
	}},
	{Name: "the coordinator dies, and its successor did not hear what it stored", steps: []step{
		{Deaf, 0, 0, deputy, 300 * ms, sec},
		{StopChild, 0, 100 * ms, child, 0, 0},
		{StartChild, 0, 100 * ms, anyone, 0, 0},
		{Crash, 20 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
		{StartChild, 100 * ms, 500 * ms, child, 0, 0},
	}},
	{Name: "a write takes effect late", steps: []step{
		{Late, 0, 0, children, sec, 4 * sec},
		{StopChild, 0, 300 * ms, child, 0, 0},
		{Crash, 0, 400 * ms, coordinator, 10 * ms, 3 * sec},
		{StartChild, 300 * ms, sec, child, 0, 0},
	}},
	{Name: "a child moves, and not all hear of it", steps: []step{
		{Loss, 0, 0, most, 500 * ms, 2 * sec},
		{MoveChild, 0, 500 * ms, child, 0, 0},
		{MoveChild, 500 * ms, sec, child, 0, 0},
		{MoveChild, sec, 2 * sec, child, 0, 0},
	}},
	{Name: "a child moves, and its node does not hear of it", steps: []step{
		{Deaf, 0, 0, one, sec, 2 * sec},
		{Deaf, 0, 0, deputy, sec, 2 * sec},
		{MoveChild, 0, 200 * ms, child, 0, 0},
		{MoveChild, 0, 200 * ms, anyone, 0, 0},
		{MoveChild, 300 * ms, 600 * ms, child, 0, 0},
		{MoveChild, 300 * ms, 600 * ms, anyone, 0, 0},
		{MoveChild, 600 * ms, sec, child, 0, 0},
		{MoveChild, sec, 1500 * ms, child, 0, 0},
	}},
	{Name: "a server closes the connection of a node that hangs", steps: []step{
		{Kick, 0, sec, one, 50 * ms, 900 * ms},
	}},
	{Name: "a server gives up a node that hangs", lease: 6 * sec, steps: []step{
		{Kick, 0, sec, one, 2100 * ms, 4500 * ms},
	}},
	{Name: "the coordinator pauses while a member does not hear it", steps: []step{
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{HoldUp, 600 * ms, 1200 * ms, coordinator, 250 * ms, 900 * ms},
	}},
	{Name: "the coordinator wakes and does not hear of its end", steps: []step{
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{LinkCut, 0, 0, anyone, 2500 * ms, 4 * sec},
		{HoldUp, 0, 300 * ms, coordinator, 900 * ms, 1600 * ms},
	}},
	{Name: "members lose the coordinator one after the other", steps: []step{
		{LinkCut, 0, 0, anyone, 1200 * ms, 2 * sec},
		{LinkCut, 2 * sec, 2500 * ms, anyone, 2 * sec, 3500 * ms},
	}},
	{Name: "the hub grows while its coordinator stops", steps: []step{
		{Crash, 0, 0, one, 500 * ms, 1500 * ms},
		{PauseMidway, 500 * ms, 1600 * ms, coordinator, 1500 * ms, 3900 * ms},
	}},
	{Name: "a commit's outcome is unknown", steps: []step{
		{Late, 0, 0, placements, sec, 3 * sec},
		{Loss, 0, sec, anyone, 100 * ms, sec},
		{Crash, 0, sec, one, 10 * ms, 3 * sec},
	}},
	{Name: "the coordinator goes astray while a node joins", steps: []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Late, 0, 0, placements, sec, 2 * sec},
		{Join, 0, 50 * ms, anyone, 0, 0},
		{Astray, 60 * ms, 500 * ms, coordinator, 3 * sec, 4500 * ms},
	}},
	{Name: "a node reconnects twice, and the coordinator dies", steps: []step{
		{Behind, 0, 0, deputy, 200 * ms, 800 * ms},
		{Reset, 0, 20 * ms, one, 0, 0},
		{Late, 15 * ms, 40 * ms, nodes, sec, 2 * sec},
		{Reset, 30 * ms, 80 * ms, one, 0, 0},
		{Stall, 60 * ms, 200 * ms, one, sec, 3 * sec},
		{Crash, 60 * ms, 250 * ms, coordinator, 10 * ms, 3 * sec},
	}},
	{Name: "the coordinator's record is overwritten in a hub of two", steps: []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Stall, 0, 0, deputy, 500 * ms, 1500 * ms},
		{Deaf, 0, 0, deputy, 200 * ms, 500 * ms},
		{Reset, 20 * ms, 100 * ms, coordinator, 0, 0},
		{Stall, 120 * ms, 300 * ms, coordinator, 2 * sec, 3900 * ms},
		{Meddle, 300 * ms, 600 * ms, nodes, 0, 0},
	}},
	{Name: "somebody stores views in others' names", steps: []step{
		{Deaf, 0, 0, anyone, 100 * ms, 500 * ms},
		{ForgeView, 0, 100 * ms, anyone, 0, 0},
		{ForgeView, 500 * ms, sec, anyone, 0, 0},
		{Lag, sec, sec, anyone, 100 * ms, sec},
		{ForgeView, sec, 2 * sec, one, 0, 0},
	}},
	{Name: "somebody stores records in others' names", steps: []step{
		{StallIn, 0, 0, one, 200 * ms, 900 * ms},
		{ForgeRecord, 50 * ms, 100 * ms, one, 0, 0},
		{ForgeRecord, sec, 2 * sec, anyone, 0, 0},
		{StallIn, 2 * sec, 2 * sec, coordinator, 200 * ms, 900 * ms},
		{ForgeRecord, 2050 * ms, 2100 * ms, coordinator, 0, 0},
	}},
	{Name: "the coordinator's former record is put back in a hub of two", steps: []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Stall, 0, 0, deputy, 500 * ms, 1500 * ms},
		{Deaf, 0, 0, deputy, 200 * ms, 500 * ms},
		{Reset, 20 * ms, 100 * ms, coordinator, 0, 0},
		{Stall, 120 * ms, 300 * ms, coordinator, 2 * sec, 3900 * ms},
		{PutBack, 300 * ms, 600 * ms, coordinator, 0, 0},
	}},
	{Name: "the coordinator's name is taken in a hub of two", steps: []step{
		{LostForGood, -2 * sec, -1500 * ms, anyone, 0, 0},
		{LostForGood, -1500 * ms, -sec, anyone, 0, 0},
		{Stall, 0, 0, deputy, 2800 * ms, 3300 * ms},
		{Deaf, 0, 0, deputy, 2800 * ms, 3300 * ms},
		{Reset, 20 * ms, 100 * ms, coordinator, 0, 0},
		{ServerCut, 120 * ms, 200 * ms, coordinator, 3500 * ms, 3900 * ms},
		{Join, 150 * ms, 400 * ms, anyone, 0, 0},
		{Twin, 2800 * ms, 3100 * ms, coordinator, 100 * ms, 400 * ms},
	}},
	{Name: "somebody forges commits", steps: []step{
		{Forge, 0, sec, placements, 0, 0},
		{Forge, 0, sec, placements, 0, 0},
		{Forge, 0, sec, placements, 0, 0},
		{Loss, 0, sec, anyone, 100 * ms, sec},
		{MoveChild, 0, sec, child, 0, 0},
		{Forge, sec, 2 * sec, placements, 0, 0},
		{Forge, sec, 2 * sec, placements, 0, 0},
	}},
	{Name: "somebody forges records of nodes", steps: []step{
		{Forge, 0, sec, nodes, 0, 0},
		{Forge, 0, sec, nodes, 0, 0},
		{Forge, 0, sec, nodes, 0, 0},
		{StallOut, 0, sec, one, 500 * ms, 3 * sec},
		{Deaf, 0, sec, anyone, 100 * ms, sec},
		{Forge, sec, 2 * sec, nodes, 0, 0},
		{Forge, sec, 2 * sec, nodes, 0, 0},
		{Pause, 0, sec, coordinator, 100 * ms, 3 * sec},
	}},
	{Name: "a fence is written over before its node reads it", steps: []step{
		{OwnKeys, 0, 0, one, 3 * sec, 6 * sec},
		{StallOut, 0, sec, one, sec, 3900 * ms},
		{Deaf, sec, 2 * sec, one, sec, 4 * sec},
	}},
	{Name: "the coordinator's fence is written over before it reads it", steps: []step{
		{OwnKeys, 0, 0, coordinator, 3 * sec, 6 * sec},
		{Stall, 0, sec, coordinator, 800 * ms, 3 * sec},
		{Reset, 500 * ms, 3 * sec, coordinator, 0, 0},
		{Deaf, 0, 2 * sec, deputy, sec, 3 * sec},
	}},
	{Name: "a node's fence is written over, and the coordinator dies", steps: []step{
		{OwnKeys, 0, 0, one, 2 * sec, 6 * sec},
		{StallOut, 0, 500 * ms, one, 700 * ms, 1500 * ms},
		{Deaf, 0, sec, deputy, sec, 4 * sec},
		{Crash, 800 * ms, 3 * sec, coordinator, 10 * ms, 3 * sec},
	}},
	{Name: "a renewal is forged while its node reconnects", steps: []step{
		{Deaf, 0, 0, coordinator, 2 * sec, 3 * sec},
		{Forge, 0, 20 * ms, renewal, 0, 0},
		{Reset, 10 * ms, 40 * ms, one, 0, 0},
		{Forge, 10 * ms, 45 * ms, renewal, 0, 0},
		{Forge, 10 * ms, 45 * ms, renewal, 0, 0},
		{StallOut, 40 * ms, 150 * ms, one, sec, 3 * sec},
	}},
}, frailRecipes, workRecipes, specRecipes, strangerRecipes, lossRecipes, refusalRecipes, sickRecipes, changeRecipes, settingRecipes, lateRecipes)

// frailRecipes are those for children that are given up soon. They are among Recipes, too.
var frailRecipes = []Recipe{
	{Name: "a move's target gives up while it waits", frail: true, steps: []step{
		{LongRequest, 0, 0, child, sec, 4 * sec},
		{MoveChild, 50 * ms, 200 * ms, hither, 0, 0},
		{WorkerFailed, 200 * ms, 400 * ms, its, 0, 0},
		{WorkerFailed, 400 * ms, 600 * ms, its, 0, 0},
		{WorkerFailed, 600 * ms, 900 * ms, its, 0, 0},
		{MoveChild, 300 * ms, 1500 * ms, onward, 0, 0},
		{LongRequest, sec, 2 * sec, child, 300 * ms, 4 * sec},
		{MoveChild, 1500 * ms, 3 * sec, hither, 0, 0},
	}},
	{Name: "a replica is given up while its handler runs", frail: true, steps: []step{
		{WorkerFailed, 0, 0, serving, 0, 0},
		{WorkerFailed, 80 * ms, 120 * ms, serving, 0, 0},
		{LongRequest, 200 * ms, 300 * ms, child, 200 * ms, sec},
		{WorkerFailed, 300 * ms, 500 * ms, serving, 0, 0},
		{MoveChild, 300 * ms, sec, child, 0, 0},
	}},
}

// specRecipes are for what somebody else does to specs.
var specRecipes = []Recipe{
	{Name: "somebody changes a spec again while that is undone", steps: []step{
		{Deaf, -50 * ms, 0, coordinator, 0, 200 * ms},
		{Respecify, 0, 100 * ms, anyone, 0, 20 * ms},
		{Respecify, 0, 100 * ms, child, 2 * ms, 60 * ms},
		{Respecify, 0, 100 * ms, anyone, 0, 20 * ms},
	}},
}

// lossRecipes are for the numbers of views.
var lossRecipes = []Recipe{
	{Name: "a copy of the buckets is restored", steps: []step{
		{Copy, -sec, 0, anyone, 0, 0},
		{MoveChild, 0, 100 * ms, child, 0, 0},
		{Crash, 0, sec, coordinator, 0, sec},
		{Restore, 2 * sec, 3 * sec, anyone, 0, sec},
	}},
	{Name: "the buckets are lost", steps: []step{
		{MoveChild, 0, 100 * ms, child, 0, 0},
		{Lose, sec, 2 * sec, anyone, 0, sec},
	}},
}

// play adds the faults of a recipe, from t on.
func (p *Plan) play(rec *Recipe, r *rand.Rand, t int64) {
	node, kid := r.IntN(p.Nodes), r.IntN(Children)
	for _, s := range rec.steps {
		f := Fault{At: max(0, t+pick(r, s.from, s.to)), Kind: s.kind, A: r.IntN(Coordinator), B: r.IntN(60), For: pick(r, s.least, s.most)}
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
		case hither, onward:
			f.A, f.B = kid, node+int(s.who-hither)
		case its, serving:
			f.A, f.B = node, Child+kid
			if s.who == serving {
				f.A = Active
			}
		case renewal:
			f.A, f.B = 0, Child+node
		case anyone:
		}
		p.Faults = append(p.Faults, f)
	}
}

// Aimed returns a plan that has nothing but one recipe, again and again, in a hub with short times.
func Aimed(rec *Recipe, seed uint64, failover protocol.Failover) Plan {
	r := rand.New(rand.NewPCG(seed, 2))
	p := Plan{Seed: seed, Nodes: 3 + r.IntN(2), Skew: 47_000, Start: 20 * ms, End: 30 * sec, GiveUp: int64(protocol.Contact)}
	p.Config.Heartbeat, p.Config.Lease = protocol.Duration(200*ms), protocol.Duration(time.Second)
	p.Config.Authority = protocol.Duration(4 * time.Second)
	if seed%2 == 0 {
		p.Config.Authority = protocol.Duration(15 * time.Second)
	}
	if rec.lease != 0 {
		p.times(200*ms, rec.lease, 15*sec)
	}
	p.Work, p.Ailing = rec.work, rec.ail
	if rec.late {
		p.onlySlow()
	}
	if rec.frail {
		more := rand.New(rand.NewPCG(seed, 4))
		for i := range p.Restarts {
			p.Restarts[i].Max = 1 + more.IntN(2)
		}
		p.StartFails = 0.3 * float64(more.IntN(2))
	}
	for i := range p.Restarts {
		if rec.brief {
			p.Restarts[i].Policy = protocol.Temporary
		}
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
