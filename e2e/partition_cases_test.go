//go:build linux && e2e

package e2e

import (
	"time"

	"github.com/phub-io/phub/e2e/network"
)

var gone = network.Rule{Cut: true}

// everywhere are all sides.
var everywhere = []int{0, 1, 2}

// both makes a rule for both directions between hosts.
func (s *split) both(r network.Rule, a, b []string) {
	s.net.Set(r, a, b)
	s.net.Set(r, b, a)
}

// node makes a rule for both directions between a side's node and all servers.
func node(r network.Rule) func(*split, int) {
	return func(s *split, side int) { s.both(r, s.nodesOn(side), hosts("s", everywhere...)) }
}

// server makes a rule for both directions between a side's server and the other servers.
func server(r network.Rule) func(*split, int) {
	return func(s *split, side int) { s.both(r, hosts("s", side), hosts("s", others(side)...)) }
}

// island cuts a side's server, nodes and client from the others'.
func island(s *split, side int) { s.both(gone, s.allOn(side), s.allOn(others(side)...)) }

// nodePartitions are the faults between one node and the servers.
func nodePartitions() []partition {
	toServers := func(s *split, side int) { s.net.Set(gone, s.nodesOn(side), hosts("s", everywhere...)) }
	fromServers := func(s *split, side int) { s.net.Set(gone, hosts("s", everywhere...), s.nodesOn(side)) }
	return []partition{
		{name: "node cut from all NATS servers", active: true, fault: node(gone), lasts: 3 * time.Second, worst: leaseEnds, always: true},
		{name: "node cut from all NATS servers", fault: node(gone), lasts: 3 * time.Second},
		{name: "node cut from all NATS servers", coordinator: true, active: true, fault: node(gone), lasts: 3 * time.Second, worst: pledgesEnd, always: true},
		{name: "node cut for 1 s from all NATS servers", active: true, fault: node(gone), lasts: time.Second, brief: true, worst: leaseEnds},
		{name: "one way: what the node sends is lost", active: true, fault: toServers, lasts: 3 * time.Second, worst: leaseEnds, always: true},
		{name: "one way: what the node sends is lost", coordinator: true, active: true, fault: toServers, lasts: 3 * time.Second, worst: pledgesEnd},
		{name: "one way: what is sent to the node is lost", active: true, fault: fromServers, lasts: 3 * time.Second, worst: oneMore},
		{name: "one way: what is sent to the node is lost", coordinator: true, active: true, fault: fromServers, lasts: 3 * time.Second, worst: pledgesEnd},
	}
}

// serverPartitions are the faults between one server and the others.
func serverPartitions() []partition {
	toServers := func(s *split, side int) { s.net.Set(gone, hosts("s", side), hosts("s", others(side)...)) }
	fromServers := func(s *split, side int) { s.net.Set(gone, hosts("s", others(side)...), hosts("s", side)) }
	return []partition{
		{name: "server, its node and its client cut off", alone: true, active: true, fault: island, lasts: 3 * time.Second, worst: leaseEnds, always: true},
		{name: "server, its node and its client cut off", alone: true, fault: island, lasts: 3 * time.Second},
		{name: "server, its node and its client cut off", alone: true, coordinator: true, active: true, fault: island, lasts: 3 * time.Second, worst: pledgesEnd},
		{name: "server, its node and its client cut off", alone: true, active: true, leads: true, fault: island, lasts: 3 * time.Second, worst: electionEnds},
		{name: "server, its node and its client cut off", alone: true, coordinator: true, active: true, leads: true, fault: island, lasts: 3 * time.Second, worst: electionEnds, elsewhere: electionEnds, always: true},
		{name: "server, its node and its client cut off", alone: true, leads: true, fault: island, lasts: 3 * time.Second},
		{name: "server, its node and its client cut off", alone: true, coordinator: true, leads: true, fault: island, lasts: 3 * time.Second, worst: electionEnds, elsewhere: electionEnds},
		{name: "server cut from the other servers only", alone: true, active: true, fault: server(gone), lasts: 3 * time.Second, worst: leaseEnds},
		{name: "server cut from the other servers only", alone: true, active: true, leads: true, fault: server(gone), lasts: 3 * time.Second, worst: electionEnds},
		{name: "server cut from the other servers only, for long", alone: true, active: true, fault: server(gone), lasts: 3 * time.Second, rejoins: true, worst: leaseEnds},
		{name: "one way: what the server sends to the others is lost", alone: true, active: true, leads: true, fault: toServers, lasts: 3 * time.Second, worst: electionEnds},
		{name: "one way: what the server sends to the others is lost", alone: true, coordinator: true, active: true, leads: true, fault: toServers, lasts: 3 * time.Second, worst: electionEnds, elsewhere: electionEnds},
		{name: "one way: what the others send to the server is lost", alone: true, coordinator: true, active: true, leads: true, fault: fromServers, lasts: 3 * time.Second, worst: electionEnds, elsewhere: electionEnds},
		{name: "one way: what the others send to the server is lost", alone: true, active: true, leads: true, fault: fromServers, lasts: 3 * time.Second, worst: electionEnds},
	}
}

// pings is a configuration in which servers that do not answer each other are given up soon.
const pings = `cluster { ping_interval: "2s", ping_max: 2 }`

// pingPartitions are faults after which routes between servers must come back.
func pingPartitions() []partition {
	return []partition{
		{name: "server, its node and its client cut off; servers ping each other", alone: true, coordinator: true, active: true, leads: true, fault: island, lasts: 3 * time.Second, worst: electionEnds, elsewhere: electionEnds, always: true},
	}
}

// companyPartitions are faults that befall the coordinator of a hub of five nodes together with others. Three
// nodes on the other side give it up. Two don't suffice: with the two on its own side it has a majority, and
// serves on until its authority ends.
func companyPartitions() []partition {
	const name = "server, three of five nodes and a client cut off"
	deaf := func(s *split, side int) { s.net.Set(gone, s.allOn(others(side)...), s.allOn(side)) }
	return []partition{
		{name: "server, two of five nodes and a client cut off", alone: true, coordinator: true, active: true, company: 1, fault: island, lasts: 3 * time.Second, worst: pledgesEnd, beside: pledgesEnd.and(leaseEnds), always: true},
		{name: name, alone: true, coordinator: true, active: true, company: 2, fault: island, lasts: 3 * time.Second, worst: authorityEnds, beside: authorityEnds.and(leaseEnds)},
		{name: name, alone: true, coordinator: true, active: true, leads: true, company: 2, fault: island, lasts: 3 * time.Second, worst: electionAuthorityEnds, beside: electionAuthorityEnds.and(leaseEnds), elsewhere: electionEnds},
		{name: name + ", one way: what is sent to them is lost", alone: true, coordinator: true, active: true, leads: true, company: 2, fault: deaf, lasts: 3 * time.Second, worst: electionAuthorityEnds, beside: electionAuthorityEnds.and(leaseEnds), elsewhere: electionEnds},
		{name: name + " for 12 s", alone: true, coordinator: true, active: true, company: 2, fault: island, lasts: 12 * time.Second, brief: true, worst: untold, beside: untold, elsewhere: untold},
	}
}

// linkPartitions are bad links, and links that come and go.
func linkPartitions() []partition {
	nodes := func(r network.Rule) func(*split, int) {
		return func(s *split, _ int) { s.both(r, s.nodesOn(everywhere...), hosts("s", everywhere...)) }
	}
	servers := func(r network.Rule) func(*split, int) {
		return func(s *split, _ int) { s.net.Set(r, hosts("s", everywhere...), hosts("s", everywhere...)) }
	}
	loss := func(share float64) network.Rule { return network.Rule{Loss: share} }
	delay := func(ms int) network.Rule { return network.Rule{Delay: time.Duration(ms) * time.Millisecond} }
	flap := func(ms int) network.Rule { return network.Rule{Flap: time.Duration(ms) * time.Millisecond} }
	const long = 10 * time.Second
	return []partition{
		{name: "5 % of frames lost between nodes and servers", active: true, fault: nodes(loss(0.05)), lasts: long, worst: untold, elsewhere: untold},
		{name: "20 % of frames lost between nodes and servers", active: true, fault: nodes(loss(0.2)), lasts: long, worst: untold, elsewhere: untold, always: true},
		{name: "5 % of frames lost between servers", active: true, fault: servers(loss(0.05)), lasts: long, worst: untold, elsewhere: untold},
		{name: "20 % of frames lost between servers", active: true, fault: servers(loss(0.2)), lasts: long, worst: untold, elsewhere: untold},
		{name: "delay of 50 ms each way between nodes and servers", active: true, fault: nodes(delay(50)), lasts: long, lossless: true, worst: far(50 * time.Millisecond), elsewhere: far(50 * time.Millisecond)},
		{name: "delay of 200 ms each way between nodes and servers", active: true, fault: nodes(delay(200)), lasts: long, lossless: true, worst: far(200 * time.Millisecond), elsewhere: far(200 * time.Millisecond)},
		{name: "delay of 50 ms each way between servers", active: true, fault: servers(delay(50)), lasts: long, lossless: true, worst: far(50 * time.Millisecond), elsewhere: far(50 * time.Millisecond)},
		{name: "delay of 200 ms each way between servers", active: true, fault: servers(delay(200)), lasts: long, lossless: true, worst: untold, elsewhere: untold, always: true},
		{name: "node's link down and up every 300 ms", active: true, fault: node(flap(300)), lasts: 2 * long, worst: leaseEnds, always: true},
		{name: "node's link down and up every 2 s", active: true, fault: node(flap(2000)), lasts: 2 * long, worst: leaseEnds},
		{name: "node's link down and up every 2 s", coordinator: true, active: true, fault: node(flap(2000)), lasts: 2 * long, worst: pledgesEnd},
		{name: "server's links to the others down and up every 300 ms", active: true, leads: true, fault: server(flap(300)), lasts: 2 * long, worst: untold, elsewhere: untold},
		{name: "server's links to the others down and up every 2 s", active: true, leads: true, fault: server(flap(2000)), lasts: 2 * long, worst: untold, elsewhere: untold},
	}
}
