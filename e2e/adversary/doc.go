// Package adversary makes what somebody with all rights in a hub's account may send to harm it: random,
// mutated, oversized, replayed and forged messages on each subject of docs/wire.md, and values, deletes and
// purges of keys in each of the hub's buckets.
//
// [Generator] draws them from a seed and from a [Corpus] of real messages that were recorded: the same seed
// and the same corpus give the same messages. What it leaves out, because phub says in its own documents that
// somebody with such rights can do harm by it, is in spare.go, each with the reason. The package is pure: it
// neither knows NATS nor reads a clock.
package adversary
