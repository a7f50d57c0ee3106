// Package network is a network of hosts for tests of partitions, cut at the packet level: each host is a
// network namespace of Linux with one TAP device, and the switch between them is this process, which
// passes each Ethernet frame on, loses it or holds it back by the rule of its direction.
//
// What the hosts say to each other never leaves this process. It needs root, /dev/net/tun and iproute2; no
// packet filter, and no traffic control in the kernel. [Possible] says what is missing.
//
// A cut here is the bad kind: nothing says that the other side can't be reached, frames just vanish. The
// hosts know each other's hardware addresses from the start, so no address resolution ends it sooner.
package network
