// Package sim runs whole hubs in one goroutine and virtual time, to find what is wrong with them. The
// deciding machines (coordinator/view), the machines of the replicas (worker/replica) and the planner
// are the real ones; the loops that drive them, the clocks, NATS and its streams are simulated, with
// everything that can go wrong: see [Kind]. One seed gives one run, byte for byte.
//
// At each step it is checked that what phub promises holds: see check.go. After the faults the hub must
// heal within a bound: see [Plan.Bound]. A run that breaks a promise ends with a [Violation], whose story
// can be read, and which [Shrink] makes as short as it can.
//
//	go test ./internal/sim -run TestSim -v -sim.seeds=1000000 -timeout 0   a long run, with its progress
//	go test ./internal/sim -run TestSim -v -sim.seed=42                    the story of one seed
//
// What is not in it: buckets that are
// deleted or restored as a whole (stories in coordinator/view/testdata tell of those), somebody who writes
// entries of children or older views, and messages that are larger or more than NATS carries.
package sim
