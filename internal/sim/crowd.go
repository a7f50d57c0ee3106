package sim

import (
	"time"

	"github.com/phub-io/phub/coordinator/view"
)

// Crowded returns a plan in which many nodes join at once, all on one machine that has few cores: whatever one of them does keeps
// the others waiting. Nothing else is wrong.
func Crowded(seed uint64, nodes int) Plan {
	p := Plan{Seed: seed, Nodes: nodes, Skew: 47_000, Start: 20 * ms, GiveUp: 30 * sec, OnlySlow: true, OneMachine: true, End: 200 * ms}
	p.Config = p.Config.WithDefaults()
	return p
}

// JoinedAtMost is how long nodes of one machine may take to join.
const JoinedAtMost = 10 * time.Second

// What things cost a core of the machine on which all is. A message costs what a hop does twice for its sender, and for each who
// receives it. With these numbers, nodes without the order of large hubs join as processes did on two cores: 40 in 2.0 s, 60 in 2.7 s,
// 80 in 3.4 s, and 100 never.
const (
	cores      = 2
	startCost  = 45 * ms  // of a process
	hopCost    = 10 * us  // of a message, on half of its way
	stepCost   = 100 * us // of an event, with the waking of its process
	signedCost = 150 * us // of what is signed, or whose signature is checked
	getCost    = 80 * us  // of one record that is asked for, for the server and for who asks
	bulkCost   = ms       // of a consumer
	bulkShare  = 10 * us  // of each record that it delivers
)

// spend takes the time of a core as soon as one is free, and returns when that is over. Without a common machine it takes no time.
func (w *world) spend(d int64) int64 {
	if !w.plan.OneMachine {
		return w.now
	}
	c := &w.cores[0]
	for i := range w.cores {
		if w.cores[i] < *c {
			c = &w.cores[i]
		}
	}
	*c = max(*c, w.now) + d
	w.spent += d
	return *c
}

// readCost is what reading some revisions costs, of so many keys: as the adapter reads them.
func readCost(revisions uint64, keys int) int64 {
	n := min(int64(revisions), int64(keys))
	switch {
	case n > fewRecords:
		return bulkCost + n*bulkShare
	case revisions <= fewRevisions:
		return int64(revisions) * getCost
	}
	return n * getCost
}

// From these numbers on, records are read in another way: see the adapter.
const (
	fewRecords   = 16
	fewRevisions = 64
)

// costOf is what a step costs.
func costOf(e view.Event, actions []view.Action) int64 {
	cost := stepCost
	switch e.(type) {
	case view.BeatReceived, view.BeatAnswered:
		cost += signedCost
	}
	for _, a := range actions {
		switch a.(type) {
		case view.SendBeat, view.AnswerBeat, view.WriteNode, view.CommitWrites:
			cost += signedCost
		}
	}
	return cost
}
