// Package phub keeps named pieces of work running as replicas on several nodes, with NATS as the only
// infrastructure. Kill a node, and what was active on it is active elsewhere in milliseconds.
//
// A program becomes a node of a hub with [Join] or [Run], and says which kinds of workers it can run.
// Anyone with a NATS connection becomes a client with [NewClient]. A client starts and stops children,
// looks things up and sends requests. Requests are plain NATS messages on phub.<hub>.req.<child>, so
// whoever sends them needs no phub at all.
//
// # What is promised
//
// At most one replica of a child that is singular or active-passive takes requests at any instant, as
// long as the clock rates of two machines differ by less than 10 %. A process that is paused in the
// middle of a request can't be stopped from outside. So each request carries an epoch, which grows
// whenever another replica becomes active, and a store that checks the epoch refuses a late write.
//
// When a node dies, every child that was active there becomes active elsewhere, in one step for all of
// them: in milliseconds if NATS saw its connection close, otherwise when its lease (2 s) has run out.
//
// # What is not promised
//
// A request that was under way when its node died gets no answer, and may or may not have taken
// effect. A worker's state lives in its node's memory; what must survive belongs in a store. A hub
// needs a majority of its NATS servers.
package phub
