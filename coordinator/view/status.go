package view

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// badEntryBytes bounds what the status says of one foreign entry, in bytes.
const badEntryBytes = 256

// condition is how well a child is: how many of the replicas that it wants live, and whether some node gave it up.
type condition struct {
	want, have int
	failed     bool
	failing    bool // one of its replicas keeps failing
}

// condition looks at a child. A replica that was given up does not live, although the entry names it still.
func (m *Machine) condition(child string, spec *protocol.Spec) condition {
	c := condition{want: m.wantedOf(spec)}
	e := m.history.Entry(child)
	if e == nil {
		return c
	}
	c.failed, c.failing = len(e.Failed) > 0, len(m.sparedNodes(child)) > 0
	for _, node := range m.alive(e) {
		if m.gaveUp(node, e) {
			c.failed = true
		} else {
			c.have++
		}
	}
	return c
}

func (m *Machine) status() protocol.StatusResponse {
	v := m.history.View()
	s := protocol.StatusResponse{
		Hub: m.cfg.Hub, Domain: m.domain, View: v.Number, Coordinator: v.Coordinator, Nodes: len(v.Members),
		Children: len(m.specs.specs), Config: m.settings(),
		Refused: m.refusedInput(), Trouble: m.troubleOf(),
		Settled: len(m.lead.placing.unsettled) == 0 && len(m.lead.placing.dirty) == 0 && len(m.lead.placing.queue) == 0 && !m.lead.placing.all,
	}
	m.countChildren(&s)
	for name, k := range m.nodes.nodes {
		if k.Status == protocol.Lost && v.Member(name) == nil {
			count(name, &s.Lost, &s.Named.Lost)
		}
	}
	for _, b := range m.badKeys() {
		if len(s.BadEntries) < pageLimit {
			s.BadEntries = append(s.BadEntries, protocol.Cut(b.String(), badEntryBytes))
		}
	}
	return s
}

func (m *Machine) countChildren(s *protocol.StatusResponse) {
	for child, st := range m.specs.specs {
		c := m.condition(child, st.spec)
		s.Wanted += c.want
		s.Replicas += c.have
		if c.have == 0 {
			count(child, &s.NoActive, &s.Named.NoActive)
		}
		if c.have < c.want {
			count(child, &s.Incomplete, &s.Named.Incomplete)
		}
		if c.failed {
			count(child, &s.Failed, &s.Named.Failed)
		}
		if c.failing {
			count(child, &s.Failing, &s.Named.Failing)
		}
	}
}

// count counts a name, and keeps it if it is one of the first.
func count(name string, n *int, names *[]string) {
	*n++
	i, _ := slices.BinarySearch(*names, name)
	if i == protocol.MaxNamed {
		return
	}
	*names = slices.Insert(*names, i, name)
	*names = (*names)[:min(len(*names), protocol.MaxNamed)]
}
