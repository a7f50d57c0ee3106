// Package jetstream is phub's only adapter to NATS: it implements coordinator.Session and
// worker.Transport over one connection that never reconnects. Another session may take its place before it ends.
//
// A [Session] is opened with [Open], which makes or checks the hub's buckets, and is over when its
// connection is. Its buckets are key-value buckets as any NATS client knows them, with three
// differences: no direct reads (a replica may be behind), atomic batches, and a republish of
// everything they store, which is how nodes follow them: a watch may stand still for 18 s after the
// crash of a server.
//
// Within this package the name jetstream means nats.go's package of that name.
package jetstream
