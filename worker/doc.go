// Package worker is the running side of a node: it starts the replicas that are assigned to the node,
// gives them their requests, tells them their mode, restarts them, and stops them.
//
// What it promises: a request is given to a worker only while the newest assignment makes its replica
// active, nobody else is still to let go, and the node trusts itself. That is checked right before
// each call of Handle. What it can't promise: a process that is paused between that check and the end
// of the handler goes on when it wakes, until its context is seen to be cancelled. Only a store that
// compares epochs can refuse such a late write; Request.Epoch is there for that.
//
// A [Host] holds the replicas of one node; the [Transport] given to it carries their requests. What
// is decided is decided by the pure package worker/replica.
package worker
