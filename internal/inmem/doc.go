// Package inmem implements phub's ports in memory: one [NATS] object stands for all of NATS, its
// sessions for the connections of nodes. It keeps what the ports promise, in the same order and with the
// same errors as package jetstream does (one suite, internal/porttest, is run against both), and has
// knobs for what can go wrong. It uses nothing but channels, mutexes and timers, so it runs inside a
// testing/synctest bubble.
package inmem
