package placement

import (
	"cmp"
	"slices"
	"strings"
)

// cluster is the nodes by number, in order of their names, with what each of them holds.
type cluster struct {
	nodes    []Node
	index    map[string]int
	zone     []int
	zones    int
	hash     []uint64
	replicas []int
	actives  []int
	open     int   // nodes that are not draining
	use      []int // by zone, for one child at a time: see tally
	arena    []int // what the at of many held share
}

func newCluster(nodes []Node) *cluster {
	c := &cluster{nodes: slices.Clone(nodes), index: make(map[string]int, len(nodes))}
	slices.SortStableFunc(c.nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	c.nodes = slices.CompactFunc(c.nodes, func(a, b Node) bool { return a.Name == b.Name })
	n := len(c.nodes)
	c.zone, c.hash = make([]int, n), make([]uint64, n)
	c.replicas, c.actives = make([]int, n), make([]int, n)
	zones := map[string]int{}
	for i := range c.nodes {
		nd := &c.nodes[i]
		nd.Capacity = min(max(nd.Capacity, 1), 1<<30)
		c.index[nd.Name] = i
		z, ok := zones[nd.Zone]
		if !ok {
			z = len(zones)
			zones[nd.Zone] = z
		}
		c.zone[i], c.hash[i] = z, hashName(nd.Name)
		if !nd.Draining {
			c.open++
		}
	}
	c.zones = len(zones)
	c.use = make([]int, c.zones)
	return c
}

// pick returns the node that is best for one more replica of h beside those on set, or -1: first in a
// zone with the fewest of them, then with the fewest replicas, for a child of one replica with the
// fewest actives. Ties go to the greatest hash of child and node, so that the children of one node have
// their other replicas on many nodes.
func (c *cluster) pick(h *held, set []int) int {
	c.tally(set, 1)
	best, key := -1, hashName(h.Name)
	var least offer
	for i := range c.nodes {
		if !h.fits(c, i) || slices.Contains(set, i) {
			continue
		}
		o := offer{use: c.use[c.zone[i]], replicas: int64(c.replicas[i] + 1), capacity: int64(c.nodes[i].Capacity)}
		if h.target == 1 {
			o.actives = int64(c.actives[i] + 1)
		}
		if best < 0 || o.better(&least) || !least.better(&o) && mix(key^c.hash[i]) > mix(key^c.hash[best]) {
			best, least = i, o
		}
	}
	c.tally(set, -1)
	return best
}

// offer is what a node would be like with one more replica.
type offer struct {
	use                         int
	replicas, actives, capacity int64
}

func (o *offer) better(p *offer) bool {
	if o.use != p.use {
		return o.use < p.use
	}
	if x, y := o.replicas*p.capacity, p.replicas*o.capacity; x != y {
		return x < y
	}
	return o.actives*p.capacity < p.actives*o.capacity
}

// compareLoad compares x replicas on node a with y on node b, relative to their capacity.
func (c *cluster) compareLoad(x, a, y, b int) int {
	return cmp.Compare(int64(x)*int64(c.nodes[b].Capacity), int64(y)*int64(c.nodes[a].Capacity))
}

// tally adds d to the use of the zone of each node in set.
func (c *cluster) tally(set []int, d int) {
	for _, i := range set {
		c.use[c.zone[i]] += d
	}
}

// sharing returns how many of set stand in the zone of node i.
func (c *cluster) sharing(set []int, i int) int {
	n := 0
	for _, j := range set {
		if c.zone[j] == c.zone[i] {
			n++
		}
	}
	return n
}

// load adds d to the load of the nodes that hold a child in that order.
func (c *cluster) load(order []int, exclusive bool, d int) {
	for k, i := range order {
		c.replicas[i] += d
		if k == 0 || !exclusive {
			c.actives[i] += d
		}
	}
}

func (c *cluster) names(order []int) []string {
	names := make([]string, len(order))
	for k, i := range order {
		names[k] = c.nodes[i].Name
	}
	return names
}

// hashName is FNV-1a, 64 bits, with a finalizer.
func hashName(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix makes every bit of x count for every bit of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
