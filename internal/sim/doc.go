// Package sim runs whole hubs in one goroutine and virtual time, to find what is wrong with them. The
// deciding machines (coordinator/view), the machines of the replicas (worker/replica) and the planner
// are the real ones; the loops that drive them, the clocks, NATS and its streams are simulated, with
// everything that can go wrong: see faults.go. One seed gives one run, event for event.
//
// At each step it is checked that what phub promises holds: see check.go. After the faults the hub must
// heal within a bound: see heal.go. A run that breaks a promise ends with a [Violation], whose story
// can be read, and which [Shrink] makes as short as it can.
package sim
