package sim

import "math/rand/v2"

// step is one fault of a recipe: when it strikes after the recipe's begin, and for how long.
type step struct {
	kind     Kind
	from, to int64 // it strikes between these
	who      who
	least    int64
	most     int64
}

// who is struck by a step.
type who int

const (
	anyone      who = iota
	one             // the recipe's node
	other           // another node
	coordinator     // whoever has the role then
	nodes           // the nodes bucket
	children        // the children bucket
	placements      // the placement bucket
	child           // the recipe's child
)

// recipes are sequences of faults that are unlikely to meet by chance. Each is what one rule is for.
var recipes = [][]step{
	{ // a successor knows of no lease that its predecessor granted a moment ago
		{Crash, 0, 5 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, -100 * ms, 60 * ms, one, 300 * ms, 2 * sec},
	},
	{ // and a node's record names a connection that it has left
		{Late, 0, 0, nodes, sec, 4 * sec},
		{Reset, 0, 100 * ms, one, 0, 0},
		{Crash, 10 * ms, 300 * ms, coordinator, 10 * ms, 3 * sec},
		{Pause, 10 * ms, 500 * ms, one, 300 * ms, 2 * sec},
	},
	{ // a newcomer knows nothing of the coordinator but its record, which names a connection that it has left
		{Late, 0, 0, nodes, 2 * sec, 6 * sec},
		{Crash, 0, 300 * ms, one, ms, 500 * ms},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
		{Reset, 0, 2 * sec, coordinator, 0, 0},
	},
	{ // a member answers the coordinator while it is taking over from it
		{Lag, 0, 0, anyone, 500 * ms, 2 * sec},
		{Late, 0, 0, nodes, sec, 3 * sec},
		{Late, 0, 0, placements, sec, 3 * sec},
		{Reset, 0, sec, coordinator, 0, 0},
		{Reset, 0, sec, coordinator, 0, 0},
	},
	{ // a successor has not heard of what its predecessor stored last
		{Loss, 0, 0, anyone, 300 * ms, sec},
		{StartChild, 0, 200 * ms, child, 0, 0},
		{StopChild, 0, 300 * ms, child, 0, 0},
		{Crash, 50 * ms, 600 * ms, coordinator, 10 * ms, 3 * sec},
	},
	{ // what a coordinator wrote takes effect after its successor has done something else
		{Late, 0, 0, children, sec, 4 * sec},
		{StopChild, 0, 300 * ms, child, 0, 0},
		{Crash, 0, 400 * ms, coordinator, 10 * ms, 3 * sec},
		{StartChild, 300 * ms, sec, child, 0, 0},
	},
	{ // the old active is asked to let go by a view that it has not heard of
		{Loss, 0, 0, anyone, 500 * ms, 2 * sec},
		{MoveChild, 0, 500 * ms, child, 0, 0},
		{MoveChild, 500 * ms, sec, child, 0, 0},
		{MoveChild, sec, 2 * sec, child, 0, 0},
	},
}

// recipe plays one of the recipes.
func (p *Plan) recipe(r *rand.Rand, t int64) {
	steps := recipes[r.IntN(len(recipes))]
	first, second, kid := r.IntN(p.Nodes), 0, r.IntN(Children)
	second = first + 1 + r.IntN(p.Nodes-1)
	for _, s := range steps {
		f := Fault{At: max(0, t+pick(r, s.from, s.to)), Kind: s.kind, A: r.IntN(Coordinator), B: r.IntN(60), For: pick(r, s.least, s.most)}
		switch s.who {
		case one:
			f.A = first
		case other:
			f.A = second
		case coordinator:
			f.A = Coordinator
		case nodes, children, placements:
			f.A = int(s.who - nodes)
		case child:
			f.A = kid
		case anyone:
		}
		p.Faults = append(p.Faults, f)
	}
}
