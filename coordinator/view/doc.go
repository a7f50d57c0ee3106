// Package view decides: who is a member of the hub, who coordinates it, what is committed next, and
// until when this node may trust itself. It is pure: events and the time come in, actions go out.
//
// All of it is one [Machine], whose methods stand in files by what they are about. A way through them:
//
//   - machine.go: Step, and which part of the machine takes which event; event.go and action.go: what those are
//   - history.go, feed.go: what was committed, as this node follows it
//   - beat.go, key.go: the heartbeat and the own record, the two keepers of a lease; trust.go: what follows from them
//   - contact.go, transfer.go: what trust asks of the connection, and how a node goes from one to another
//   - takeover.go, missed.go: a node that watches the coordinator, and takes its place; pledge.go: how members give one up
//   - lead.go: the coordinator; peer.go: a node that it watches, and how one is removed; members.go: who joins and departs;
//     grant.go: how a heartbeat is answered; authority.go: what the coordinator's own acting rests on
//   - desired.go, placing.go, planning.go, move.go: from specs to entries; commit.go: how a decision is stored
//   - control.go, query.go: what people ask for; announce.go: what they are told
package view
