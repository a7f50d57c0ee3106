//go:build linux && e2e

package network

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// Net is some hosts and the switch between them. Several may exist at once, with the same addresses: they
// know nothing of each other. Its methods may be called concurrently.
type Net struct {
	names  []string
	spaces []string
	fabric *fabric
}

var nets atomic.Int64 // made by this process

// New makes hosts that reach each other, and nobody else: the i-th, from 1, at 10.231.0.i. Close it in
// the end. What runs that ended without having done so left behind is removed first.
func New(names ...string) (*Net, error) {
	if err := Possible(); err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	n := &Net{names: names}
	number := nets.Add(1)
	var ports []io.ReadWriteCloser
	for i, name := range names {
		space := fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), number, name)
		port, err := newHost(space, i, len(names))
		if err != nil {
			for _, p := range ports {
				p.Close()
			}
			return nil, fmt.Errorf("make host %s: %w (%w)", name, err, n.remove())
		}
		n.spaces, ports = append(n.spaces, space), append(ports, port)
	}
	n.fabric = newFabric(uint64(number), ports...)
	return n, nil
}

// address is the i-th host's, from 0.
func address(i int) string { return fmt.Sprintf("10.231.0.%d", i+1) }

func (n *Net) index(name string) int {
	i := slices.Index(n.names, name)
	if i < 0 {
		panic(fmt.Sprintf("found no host %q among %q", name, n.names))
	}
	return i
}

// Addr returns a host's IP address.
func (n *Net) Addr(name string) string { return address(n.index(name)) }

// Program returns what to start for a program to run on a host. Signals go to the program itself.
func (n *Net) Program(name, program string, args ...string) (string, []string) {
	return "ip", append([]string{"netns", "exec", n.spaces[n.index(name)], program}, args...)
}

// Dialer opens connections from a host; this process is then a client that runs there.
type Dialer struct{ space string }

// Dialer returns one for a host.
func (n *Net) Dialer(name string) *Dialer { return &Dialer{n.spaces[n.index(name)]} }

// dialTimeout bounds a Dial.
const dialTimeout = 2 * time.Second

// Dial connects within 2 s. The address must be an IP address with a port.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	var conn net.Conn
	err := inside(d.space, func() (err error) {
		conn, err = (&net.Dialer{Timeout: dialTimeout, FallbackDelay: -1}).Dial(network, address)
		return err
	})
	return conn, err
}

// Set makes a rule for all frames that go from any of some hosts to any of others. It replaces the one
// that was. A link has two directions: set both for what happens to a cable.
func (n *Net) Set(r Rule, from, to []string) {
	now := time.Now()
	for _, a := range from {
		for _, b := range to {
			if a != b {
				n.fabric.lanes[n.index(a)][n.index(b)].set(r, now)
			}
		}
	}
}

// Hosts returns the names of all hosts.
func (n *Net) Hosts() []string { return n.names }

// Heal passes all frames again.
func (n *Net) Heal() { n.Set(Rule{}, n.names, n.names) }

// Frames returns how many frames arrived and how many were lost on their way from any of some hosts to
// any of others.
func (n *Net) Frames(from, to []string) (passed, lost int64) {
	for _, a := range from {
		for _, b := range to {
			l := n.fabric.lanes[n.index(a)][n.index(b)]
			passed += l.passed.Load()
			lost += l.lost.Load()
		}
	}
	return passed, lost
}

// Close removes the hosts. What runs on them must have ended.
func (n *Net) Close() error {
	n.fabric.close()
	return n.remove()
}
