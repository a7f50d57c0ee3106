//go:build linux && e2e

package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/protocol"
)

// partition is a fault of the network that befalls one side: the coordinator's, or another one.
type partition struct {
	name string
	// coordinator says that the side is the coordinator's.
	coordinator bool
	// active says that child1 is active there. The other children are active elsewhere in any case.
	active bool
	// leads says that the side's server leads the streams; else another one does.
	leads bool
	// alone says that the side's client, which knows only its server, is cut off with that.
	alone bool
	// company is how many other nodes are on the side of the coordinator; child2 is active on one of them.
	company int
	fault   func(s *split, side int)
	// lasts is for how long the fault lasts at least. Unless it is brief, it goes on until child1 is served
	// again, and for some seconds more.
	lasts time.Duration
	brief bool
	// rejoins says that the side's node finds another server and is a member again while the fault lasts.
	rejoins bool
	// lossless says that the fault loses no frame.
	lossless bool
	// worst bounds for how long child1 may go unserved by the hub's majority, beside the same for child2 if
	// that is active in company, and elsewhere for the other children. The zero value is for not at all.
	worst, beside, elsewhere worst
	// always says that it also runs without PHUB_E2E_NETWORK_ALL.
	always bool
}

const (
	// fiveNodes is a hub in which a side may have several.
	fiveNodes = 5
	// slack is what a loaded machine may take beyond a worst case by formula.
	slack = 3 * time.Second
	// nothing is what counts as no interruption on a loaded machine.
	nothing = time.Second
)

func allPartitions() bool { return os.Getenv("PHUB_E2E_NETWORK_ALL") == "1" }

// wanted are the partitions that are asked for: those with a text in their name, all of them, or some.
func wanted(ps []partition) []partition {
	only := os.Getenv("PHUB_E2E_NETWORK_ONLY")
	return slices.DeleteFunc(ps, func(p partition) bool {
		return !strings.Contains(p.name, only) || !(p.always || allPartitions() || only != "")
	})
}

func TestPartition_Nodes(t *testing.T)   { partitions(t, nodePartitions(), sides, "") }
func TestPartition_Servers(t *testing.T) { partitions(t, serverPartitions(), sides, "") }
func TestPartition_Company(t *testing.T) { partitions(t, companyPartitions(), fiveNodes, "") }
func TestPartition_Links(t *testing.T)   { partitions(t, linkPartitions(), sides, "") }
func TestPartition_Pings(t *testing.T)   { partitions(t, pingPartitions(), sides, pings) }

// partitions runs faults one after the other on one hub of some nodes, whose NATS servers have a configuration.
// At no time two replicas of a child may serve.
func partitions(t *testing.T, ps []partition, nodes int, config string) {
	needNetwork(t)
	if ps = wanted(ps); len(ps) == 0 {
		t.Skipf("no partition of this group has %q in its name", os.Getenv("PHUB_E2E_NETWORK_ONLY"))
	}
	t.Parallel()
	s := startSplit(t, nodes, config, "")
	terms := s.terms()
	for _, p := range ps {
		if !t.Failed() {
			s.run(p, terms)
		}
	}
	s.check(s.loads...)
	table.write(t)
}

// What can be found must be found: with nodes that go on serving when their lease has ended, a cut makes two
// replicas serve at once, one on each side, and the check says so.
func TestPartition_WithoutARule(t *testing.T) {
	needNetwork(t)
	t.Parallel()
	s := startSplit(t, sides, "", "lease")
	p := partition{name: "server, its node and its client cut off", active: true, alone: true, lasts: 3 * time.Second, worst: leaseEnds}
	o := &observation{split: s, p: p, side: s.prepare(p), terms: s.terms()}
	o.begin()
	island(s, o.side)
	o.wait()
	vs := history.Check(s.history(s.loads))
	t.Logf("%d violations", len(vs))
	if !slices.ContainsFunc(vs, func(v history.Violation) bool { return v.Rule == history.NoStale && v.Child == s.children[0] }) {
		t.Errorf("found %v, want a request to child1 that was served in an old epoch", vs)
	}
}

// run brings a fault about, waits for what becomes of it, heals it, and waits until all is well.
func (s *split) run(p partition, terms protocol.Config) {
	s.t.Helper()
	o := &observation{split: s, p: p, side: s.prepare(p), terms: terms}
	o.begin()
	p.fault(s, o.side)
	o.wait()
	o.end()
	s.net.Heal()
	s.settled(len(s.homes))
	o.settledAt = clock.Now()
	s.servedAll()
	o.healed = clock.Now()
	o.judge()
}

// prepare puts everything where the fault wants it, and returns the side that it befalls.
func (s *split) prepare(p partition) int {
	s.t.Helper()
	s.ask(0)
	s.settled(len(s.homes))
	s.home()
	coordinator := s.coordinator()
	if p.company > 0 {
		s.accompany(coordinator, p.company)
	}
	side := s.homeOf(coordinator)
	if !p.coordinator {
		side = others(side)[0]
	}
	away := others(side)
	s.ask(away[0])
	leader := away[0]
	if p.leads {
		leader = side
	}
	if p.company > 0 {
		s.stageCompany(coordinator)
	} else {
		s.stage(p, side)
	}
	s.lead(leader)
	s.settled(len(s.homes))
	s.servedAll()
	s.t.Logf("%s: of %s; %s", p.name, strings.Join(s.nodesOn(side), ", "), s.describe())
	return side
}

// stage makes child1 active on the side that a fault befalls, if the fault wants that, and the others elsewhere.
func (s *split) stage(p partition, side int) {
	s.t.Helper()
	away := others(side)
	first := away[0]
	if p.active {
		first = side
	}
	for i, at := range []int{first, away[0], away[1]} {
		s.activate(s.children[i], s.nodesOn(at)[0])
	}
}

// stageCompany makes child1 active on the coordinator and child2 on another node of its side. Next in order are
// nodes of the other sides, on one of which child3 is active.
func (s *split) stageCompany(coordinator string) {
	s.t.Helper()
	side := s.homeOf(coordinator)
	there := slices.DeleteFunc(s.nodesOn(side), func(node string) bool { return node == coordinator })
	away := s.nodesOn(others(side)...)
	for i, order := range [][]string{{coordinator, away[0]}, {there[0], away[1]}, {away[1], away[0]}} {
		s.order(s.children[i], order[0], order[1])
	}
}
