// Package history judges what happened to a hub's requests, by two kinds of records that know nothing
// of phub: what a client sent and received, and which worker handled what, when and in which epoch.
//
// All times are nanoseconds of one clock that every process of a machine shares and that does not
// jump (CLOCK_MONOTONIC). The package is pure: records go in, violations come out.
package history
