// Package protocol holds what phub's parts, its users and other programs agree on: names, subjects,
// key-value values, messages, and the one derivation that everything rests on, from a committed view
// and a placement entry to the role of each replica.
//
// It imports the standard library only. Every decoder in it takes input that nobody vouches for: it
// returns an error that names the field, what was found and what is allowed, and never panics.
// Unknown fields are ignored, so that a newer phub can add some.
package protocol
