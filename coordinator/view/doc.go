// Package view decides: who is a member of the hub, who coordinates it, what is committed next, and
// until when this node may trust itself. It is pure: events and the time come in, actions go out.
package view

// MaxCommit is the largest number of writes in one commit, the view included (the limit of an atomic
// batch, ADR-50).
const MaxCommit = 1000

// Evidence is what the server of a connection says of it.
type Evidence int

// The evidence. Only Closed proves something: over that connection nothing more can be received or
// answered.
const (
	Unknown Evidence = iota // the server did not answer
	Open
	Closed
)
