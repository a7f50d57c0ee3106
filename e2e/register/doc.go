// Package register judges whether children of a hub are linearizable: registers that clients read,
// write, and compare-and-set, while nodes and servers fail.
//
// [Register] is what a replica does. It answers from memory, and writes to a [Store] that outlives it
// and refuses writes of an older epoch. That it may answer from memory rests on phub alone: on there
// being one active replica at any instant. A second one, for however short a time, answers with a value
// that another client has overwritten, and no order of the operations explains that.
//
// [Recorder] keeps what clients did and what they were answered, and [Check] has porcupine look for
// such an order. Nothing in the package knows phub or NATS.
package register
