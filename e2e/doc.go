// Package e2e tests phub from outside: the built binary, real nats-server processes, the real nats
// CLI, and real faults, under a plain NATS client that sends numbered requests all the time.
//
//	go test -tags e2e ./e2e/...
//
// Partitions are cuts of a network of hosts that the test makes itself, with package network: docs/partitions.md.
//
// What the client and the workers saw is judged by package history, and by package register for children
// that are registers. TestMain builds what is needed into bin/ of the checkout. A test that fails shows the
// ends of its processes' logs.
package e2e
