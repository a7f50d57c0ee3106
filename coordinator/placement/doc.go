// Package placement decides which nodes hold the replicas of each child, and in which promotion order.
// It is pure: members and the present placement in, plans out. Equal input gives equal plans, whatever
// the order of its slices.
//
// [Repair] restores what a child needs, at once. [Balance] makes the load more even, drains nodes and
// spreads replicas over zones, in small steps; it is called when nothing is left to repair and
// everything has settled, again and again until it returns nothing. Each of its steps lowers, in this
// order, the replicas on draining nodes, the replicas that share a zone, the unevenness of replicas,
// and that of active ones; so it ends, and a hub at rest stays at rest.
//
// A child that has a second ready replica is moved in steps that leave the active one alone, or hand
// over to a replica that is ready. A child with one replica gets a second for as long as the move takes:
//
//	[old] -Balance-> [old new], Moving -Balance, new is ready-> [new old] -Repair, new is ready-> [new]
//
// All loads are relative to the capacity of the node.
package placement
