package view

import (
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// kindsOf returns the kinds that a member runs: as the view has it, or, where a coordinator of an earlier build admitted the node, as
// the node itself says. Nothing: not known.
func (m *Machine) kindsOf(x *protocol.Member) []string {
	switch p := m.lead.peers[x.Node]; {
	case len(x.Kinds) > 0:
		return x.Kinds
	case x.Incarnation == m.self:
		return m.cfg.Kinds
	case p != nil && p.in == x.Incarnation:
		return p.member.Kinds
	}
	return nil
}

// runs reports whether a member runs a kind, as far as that is known.
func (m *Machine) runs(x *protocol.Member, kind string) bool {
	known := protocol.Member{Kinds: m.kindsOf(x)}
	return known.Runs(kind)
}

// canRun reports whether a member runs a child's kind, as far as that is known.
func (m *Machine) canRun(child, node string) bool {
	spec, _ := m.specs.Get(child)
	x := m.history.View().Member(node)
	return spec == nil || x == nil || m.runs(x, spec.Kind) && (spec.Change == nil || m.runs(x, spec.Change.Kind))
}

// lacking returns the members that do not run a kind, sorted as in the view.
func (m *Machine) lacking(kind string) []string {
	var nodes []string
	v := m.history.View()
	for i := range v.Members {
		if !m.runs(&v.Members[i], kind) {
			nodes = append(nodes, v.Members[i].Node)
		}
	}
	return nodes
}

// wantedOf returns how many replicas a child is to have. One on every node means every node that runs its kind, or may.
func (m *Machine) wantedOf(spec *protocol.Spec) int {
	nodes := len(m.history.View().Members)
	if spec.Redundancy.Factor == protocol.ClusterSize {
		nodes = max(nodes-len(m.lacking(spec.Kind)), 1)
	}
	return min(spec.Redundancy.Replicas(nodes), protocol.MaxFactor)
}

// nobodyRuns says which kinds the members run, if none of them runs that one; "" if one does, or may.
func (m *Machine) nobodyRuns(kind string) string {
	v := m.history.View()
	if len(m.lacking(kind)) < len(v.Members) {
		return ""
	}
	var known []string
	for i := range v.Members {
		known = append(known, m.kindsOf(&v.Members[i])...)
	}
	slices.Sort(known)
	return "no node runs kind " + protocol.Quote(kind) + "; the hub's nodes run: " + protocol.Cut(strings.Join(slices.Compact(known), ", "), protocol.MaxText)
}

// doesNotRun says that a node does not run a kind, and which it runs.
func (m *Machine) doesNotRun(node, kind string) string {
	return "node " + node + " does not run kind " + protocol.Quote(kind) + "; it runs: " +
		strings.Join(m.kindsOf(m.history.View().Member(node)), ", ")
}
