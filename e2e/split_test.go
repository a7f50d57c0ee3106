//go:build linux && e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/network"
	"github.com/phub-io/phub/protocol"
)

// sides of a split hub, each with a NATS server s, nodes n that prefer it, and a client c that knows no
// other. Numbered from 0; the hosts' names count from 1.
const sides = 3

func host(kind string, side int) string { return fmt.Sprintf("%s%d", kind, side+1) }

// hosts returns those of a kind on some sides.
func hosts(kind string, on ...int) []string {
	var names []string
	for _, side := range on {
		names = append(names, host(kind, side))
	}
	return names
}

// others are the sides but one.
func others(side int) []int { return []int{(side + 1) % sides, (side + 2) % sides} }

// split is a hub whose servers, nodes and clients are hosts of a network of their own. All of its
// testHub's questions go through the client of one side.
type split struct {
	*testHub
	net      *network.Net
	without  string // the safety rule that is switched off
	homes    []int  // of each node: its side
	clients  []*phub.Client
	conns    []*nats.Conn
	loads    []*load
	children []string
}

// needNetwork skips the test where there can be no such network, or fails it if there must be one.
func needNetwork(t *testing.T) {
	t.Helper()
	err := network.Possible()
	switch {
	case err != nil && os.Getenv("PHUB_E2E_NETWORK") == "must":
		t.Fatal(err)
	case err != nil:
		t.Skipf("no network of hosts can be made here: %v", err)
	}
}

// startSplit starts a hub of some nodes, one on each side and more, with three children and a load from each
// side. Its servers have a configuration, which may be empty. Its nodes do without a safety rule, if one is
// named.
func startSplit(t *testing.T, nodes int, config, without string) *split {
	t.Helper()
	s := &split{without: without}
	names := append(hosts("s", everywhere...), hosts("c", everywhere...)...)
	for i := range nodes {
		s.homes = append(s.homes, i%sides)
		names = append(names, host("n", i))
	}
	net, err := network.New(names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	s.net = net
	s.testHub = &testHub{t: t, nats: startServers(t, net, config), nodes: map[string]*process{}}
	s.dir = s.nats.dir
	s.connectAll()
	for i := range s.homes {
		s.startNode(i)
	}
	s.settled(nodes)
	s.startChildren()
	return s
}

// startServers starts the NATS servers.
func startServers(t *testing.T, net *network.Net, config string) *natsCluster {
	t.Helper()
	c := &natsCluster{t: t, dir: t.TempDir(), opts: []nats.Option{nats.SetCustomDialer(net.Dialer("c1"))}}
	file := filepath.Join(c.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var routes []string
	for side := range sides {
		routes = append(routes, "nats://"+net.Addr(host("s", side))+":6222")
	}
	for side := range sides {
		name := host("s", side)
		program, args := net.Program(name, bin.natsServer, "--config", file, "--name", name, "--addr", net.Addr(name), "--port", "4222", "--jetstream",
			"--store_dir", c.dir+"/"+name, "--cluster_name", "e2e", "--cluster", routes[side], "--routes", strings.Join(routes, ","), "--no_advertise")
		s := &natsServer{dir: c.dir, url: "nats://" + net.Addr(name) + ":4222", args: args}
		s.process = start(t, c.dir, name, program, args...)
		c.servers = append(c.servers, s)
	}
	c.ready()
	return c
}

// connectAll connects the clients. A client's own connection goes on trying as long as it takes.
func (s *split) connectAll() {
	s.t.Helper()
	for side := range sides {
		nc := connect(s.t, s.nats.servers[side].url, nats.SetCustomDialer(s.net.Dialer(host("c", side))),
			nats.ReconnectWait(200*time.Millisecond), nats.IgnoreDiscoveredServers(), nats.ReconnectBufSize(-1))
		s.t.Cleanup(nc.Close)
		client, err := phub.NewClient(nc, hubName)
		if err != nil {
			s.t.Fatal(err)
		}
		s.conns, s.clients = append(s.conns, nc), append(s.clients, client)
	}
	s.ask(0)
}

// ask makes the test's questions go through a side's client from now on.
func (s *split) ask(side int) { s.nc, s.client = s.conns[side], s.clients[side] }

// nodesOn returns the nodes of some sides.
func (s *split) nodesOn(on ...int) []string {
	var names []string
	for _, side := range on {
		for i, home := range s.homes {
			if home == side {
				names = append(names, host("n", i))
			}
		}
	}
	return names
}

// homeOf returns the side of a node.
func (s *split) homeOf(node string) int { return s.homes[node[1]-'1'] }

// allOn returns all hosts of some sides.
func (s *split) allOn(on ...int) []string {
	return slices.Concat(hosts("s", on...), s.nodesOn(on...), hosts("c", on...))
}

// startNode starts the i-th node. It tries its side's server first.
func (s *split) startNode(i int) {
	s.t.Helper()
	name, side := host("n", i), s.homes[i]
	var urls []string
	for _, at := range append([]int{side}, others(side)...) {
		urls = append(urls, s.nats.servers[at].url)
	}
	program, args := bin.testnode, []string{
		"-hub", hubName, "-name", name, "-url", strings.Join(urls, ","), "-in-order", "-record", s.records(name), "-busy", "1ms",
	}
	if s.without != "" {
		program, args = bin.unsafe, append(args, "-unsafe", s.without)
	}
	program, args = s.net.Program(name, program, args...)
	s.nodes[name] = start(s.t, s.dir, name, program, args...)
	s.nodes[name].shown = 60
}

// interval of requests from each client to each child: gaps are measured as exactly as that.
const interval = 40 * time.Millisecond

func (s *split) startChildren() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var specs []phub.Spec
	replicas := phub.Factor(2)
	if len(s.homes) > sides { // so that the next in order can be on another side
		replicas = phub.ClusterSize
	}
	for i := range sides {
		s.children = append(s.children, fmt.Sprintf("child%d", i+1))
		specs = append(specs, phub.Spec{Child: s.children[i], Kind: "recorder", Redundancy: phub.Redundancy{
			Strategy: phub.Replication, Factor: replicas, Model: phub.ActivePassive,
		}})
	}
	results, err := s.client.Start(ctx, specs, nil)
	if err != nil {
		s.t.Fatalf("start children: %v: %+v", err, results)
	}
	for side, nc := range s.conns {
		l := newLoad(s.t, hubName)
		l.name, l.conns = fmt.Sprintf("c%d-", side+1), []*nats.Conn{nc}
		l.send(s.children, interval)
		s.loads = append(s.loads, l)
	}
	s.servedAll()
}

// servedAll waits until every child has answered every client, once more.
func (s *split) servedAll() {
	s.t.Helper()
	for _, l := range s.loads {
		s.served(l, s.children)
	}
}

// home makes every node be connected to its own side's server. One that found another server first, after an
// earlier fault, is started again.
func (s *split) home() {
	s.t.Helper()
	for i := range s.homes {
		if s.isHome(host("n", i)) {
			continue
		}
		p := s.nodes[host("n", i)]
		p.signal(syscall.SIGTERM)
		<-p.done
		s.startNode(i)
		s.comesHome(i)
		s.settled(len(s.homes))
	}
	for i, side := range s.homes {
		if !s.isHome(host("n", i)) {
			s.t.Fatalf("%s is not connected to %s", host("n", i), host("s", side))
		}
	}
}

// comesHome waits until the hub tells of the i-th node that it is connected to its side's server. Until its new
// incarnation is a member, the one that left may still be listed.
func (s *split) comesHome(i int) {
	s.t.Helper()
	name, server := host("n", i), host("s", s.homes[i])
	eventually(s.t, 20*time.Second, name+" is back, at "+server, func() error {
		if !s.isHome(name) {
			return errors.New("it is not connected to " + server)
		}
		return nil
	})
}

// accompany makes so many other nodes be on the side of a node, and spreads the rest over the other sides. Those
// that have to change sides are started again.
func (s *split) accompany(node string, by int) {
	s.t.Helper()
	side := s.homeOf(node)
	away, rest := others(side), 0
	for i := range s.homes {
		switch {
		case host("n", i) == node:
		case by > 0:
			s.homes[i], by = side, by-1
		default:
			s.homes[i], rest = away[rest%len(away)], rest+1
		}
	}
	s.home()
}

// isHome reports whether a node is connected to its side's server.
func (s *split) isHome(node string) bool {
	s.t.Helper()
	return s.at(node) == s.conns[s.homeOf(node)].ConnectedServerId()
}

// at returns the id of the server to which a node is connected.
func (s *split) at(node string) string {
	s.t.Helper()
	var id string
	eventually(s.t, 20*time.Second, "the hub tells its nodes", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		nodes, err := s.client.Nodes(ctx)
		for _, n := range nodes.Nodes {
			if n.Node == node {
				id = n.Conn.Server
			}
		}
		return err
	})
	return id
}

// activate makes a child active on a node.
func (s *split) activate(child, node string) {
	s.t.Helper()
	if s.active()[child] == node {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := s.client.Move(ctx, child, node); err != nil {
		s.t.Fatalf("move %s to %s: %v", child, node, err)
	}
	if at := s.active()[child]; at != node {
		s.t.Fatalf("%s is active on %q, it was moved to %s", child, at, node)
	}
}

// order makes a child active on a node, and another node's replica the next in order.
func (s *split) order(child, first, second string) {
	s.t.Helper()
	s.activate(child, second)
	s.activate(child, first)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := s.client.Info(ctx, child)
	if err != nil || len(info.Replicas) < 2 || info.Replicas[0].Node != first || info.Replicas[1].Node != second {
		s.t.Fatalf("%s was moved to %s and then to %s, its replicas are %+v: %v", child, second, first, info.Replicas, err)
	}
}

// lead makes a side's server the leader of all streams of the hub.
func (s *split) lead(side int) {
	s.t.Helper()
	for _, b := range []protocol.Bucket{protocol.NodesBucket, protocol.ChildrenBucket, protocol.PlacementBucket} {
		bucket := b.Name(hubName)
		for try := 0; s.nats.leader(bucket) != side; try++ {
			if try == 30 { // who is preferred need not be elected
				s.t.Fatalf("%s does not lead the stream of %s after %d tries", host("s", side), bucket, try)
			}
			s.nats.current(bucket)
			order := fmt.Sprintf(`{"placement":{"preferred":%q}}`, host("s", side))
			if _, err := s.nc.Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_"+bucket, []byte(order), 5*time.Second); err != nil {
				s.t.Logf("move the lead of %s: %v", bucket, err)
			}
		}
	}
}

// describe says who is where, for people.
func (s *split) describe() string {
	at := s.active()
	var active []string
	for _, child := range slices.Sorted(maps.Keys(at)) {
		active = append(active, child+" on "+at[child])
	}
	return fmt.Sprintf("coordinator %s, streams led by %s, %s", s.coordinator(), host("s", s.nats.leader(protocol.NodesBucket.Name(hubName))), strings.Join(active, ", "))
}

// terms is the hub's configuration.
func (s *split) terms() protocol.Config {
	s.t.Helper()
	status, err := s.status()
	if err != nil {
		s.t.Fatal(err)
	}
	return status.Config
}
