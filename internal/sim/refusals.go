package sim

import "math/rand/v2"

// refusals has subscriptions change with an unknown outcome in every run, and in one of three, streams refuse what is to be stored
// and workers take their time to stop.
func (p *Plan) refusals(r *rand.Rand) {
	for t := r.Int64N(4 * sec); t < p.End; t += sec + r.Int64N(8*sec) {
		p.Faults = append(p.Faults, faultOf(r, Unflushed, t))
	}
	if r.IntN(3) > 0 {
		return
	}
	for t := r.Int64N(6 * sec); t < p.End; t += 2*sec + r.Int64N(8*sec) {
		p.Faults = append(p.Faults, faultOf(r, SlowStop, t), faultOf(r, Full, t+r.Int64N(sec)))
		p.play(&refusalRecipes[1+r.IntN(len(refusalRecipes)-1)], r, t)
	}
}

// refusalRecipes are for what is refused, or takes long, and keeps nothing else waiting. They are among Recipes, too.
var refusalRecipes = []Recipe{
	{Name: "a worker takes long to stop, and another node comes back", steps: []step{
		{SlowStop, 0, 0, serving, 100 * sec, 120 * sec},
		{StopChild, 10 * ms, 50 * ms, child, 0, 0},
		{Crash, 500 * ms, sec, one, 100 * ms, 500 * ms},
	}},
	{Name: "a temporary child ends and is started again", brief: true, steps: []step{
		{NoLeader, 0, 0, placements, 2 * sec, 4 * sec},
		{WorkerFailed, 50 * ms, 100 * ms, serving, 0, 0},
		{StartChild, 300 * ms, 800 * ms, child, 0, 0},
		{StartChild, 900 * ms, 2 * sec, child, 0, 0},
	}},
	{Name: "subscriptions change, and nobody knows whether they did", steps: []step{
		{Unflushed, 0, 0, most, 2500 * ms, 4 * sec},
		{StallIn, 0, 500 * ms, one, 800 * ms, 1400 * ms},
		{MoveChild, 0, 2 * sec, child, 0, 0},
		{StallOut, 1500 * ms, 2500 * ms, one, 800 * ms, 1400 * ms},
		{MoveChild, 2 * sec, 3 * sec, child, 0, 0},
	}},
	{Name: "the storage is full", steps: []step{
		{Full, 0, 0, placements, 3 * sec, 5 * sec},
		{Full, 0, sec, anyone, 2 * sec, 5 * sec},
		{StartChild, 0, sec, anyone, 0, 0},
		{StopChild, 0, sec, child, 0, 0},
		{Crash, sec, 2 * sec, one, ms, 500 * ms},
	}},
}
