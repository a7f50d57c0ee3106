// Package natsembed runs nats-servers inside this process: one, or a cluster of several, with
// JetStream, for tests, `phub demo` and `phub dev`. They listen on ephemeral ports of 127.0.0.1 unless
// told otherwise, write nothing to the terminal, and can be stopped and started again in place.
package natsembed
