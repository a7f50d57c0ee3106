// Package phub keeps named pieces of work running as replicas on several nodes, with NATS as the only
// infrastructure. Kill a node, and what was active on it is active elsewhere in milliseconds.
//
// A program becomes a node of a hub with [Join] or [Run], and says there which kinds of workers it can
// run. Anyone with a NATS connection becomes a client with [NewClient]: starts and stops children,
// looks things up, sends requests. Requests are plain NATS messages on phub.<hub>.req.<child>, so a
// client needs no phub at all.
//
// # What is promised
//
// At most one replica of a child that is singular or active-passive takes requests at any instant, as
// long as the clocks of two machines run at rates that differ by less than 10 %. A process that is
// stopped in the middle of a request can't be stopped from outside: each request carries an epoch,
// which grows whenever another replica becomes active, so that a store which checks it refuses what
// comes late.
//
// When a node dies, every child that was active there is active elsewhere, in one step for all of
// them: in milliseconds if NATS saw its connection close, otherwise when its lease (2 s) has run out.
//
// # What is not promised
//
// A request that was under way when its node died gets no answer, and may or may not have had its
// effect. The state of a worker lives in its node's memory; what must survive belongs into a store.
// A hub needs the majority of its NATS servers.
package phub
