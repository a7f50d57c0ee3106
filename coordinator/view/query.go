package view

import (
	"slices"
	"sort"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// replicaStates returns the replicas of a child, running ones and given-up ones.
func (m *Machine) replicaStates(child string) []protocol.ReplicaState {
	e := m.history.Entry(child)
	if e == nil {
		return nil
	}
	states := []protocol.ReplicaState{}
	for _, r := range protocol.Derive(m.history.View(), &e.Entry) {
		s := protocol.ReplicaState{Node: r.Node, Mode: r.Mode, Epoch: r.Epoch, State: protocol.Starting, Changed: r.Changed}
		if f := m.lead.placing.failures[child][r.Node]; f != nil && f.View == e.View && !f.ended {
			s.State, s.Error = protocol.FailedAt, f.Error
		} else if m.carriedOut(r, e) {
			s.State = protocol.Running
		}
		s.Failing = m.spared(child, r.Node)
		m.addSaid(&s, e)
		states = append(states, s)
	}
	for _, f := range e.Failed {
		states = append(states, protocol.ReplicaState{Node: f.Node, Mode: protocol.Passive, State: protocol.FailedAt, Error: f.Error})
	}
	return states
}

// addSaid adds what the node says of a replica, and since when it runs: that the entry says of one that was not restarted.
func (m *Machine) addSaid(s *protocol.ReplicaState, e *Placed) {
	if i := slices.IndexFunc(e.Replicas, func(r protocol.Replica) bool { return r.Node == s.Node }); s.State == protocol.Running {
		s.Since = protocol.Cut(e.Replicas[i].Since, len(protocol.TimeLayout))
	}
	rep, _ := m.reportOf(s.Node)
	if i := slices.IndexFunc(rep.Restarted, func(r protocol.Restarted) bool { return r.Child == e.Child }); i >= 0 {
		r := &rep.Restarted[i]
		s.Restarts, s.LastError = r.Restarts, protocol.Cut(r.Error, protocol.MaxText)
		s.Since = protocol.Cut(r.Since, len(protocol.TimeLayout))
	}
	if i := slices.IndexFunc(rep.Notices, func(n protocol.Notice) bool { return n.Child == e.Child }); i >= 0 && s.State == protocol.Running {
		s.Notice = protocol.Cut(rep.Notices[i].Text, protocol.MaxNotice)
	}
}

func (m *Machine) info(e ControlReceived, r protocol.InfoRequest) (any, *protocol.Problem) {
	if err := protocol.ValidateChild(r.Child); err != nil {
		return nil, badRequest(e.Verb, err)
	}
	if spec, _ := m.specs.Get(r.Child); spec == nil {
		return nil, noChild(r.Child)
	}
	return m.childInfo(r.Child), nil
}

func (m *Machine) childInfo(child string) protocol.ChildInfo {
	spec, rev := m.specs.Get(child)
	c := protocol.ChildInfo{
		Child: child, Spec: *spec, Revision: rev, Replicas: m.replicaStates(child),
		Wanted: m.wantedOf(spec),
	}
	if e := m.history.Entry(child); e != nil {
		c.Epoch, c.View, c.Reason, c.Failed = e.Epoch, e.View, e.Reason, e.Failed
		if a := protocol.ActiveOf(protocol.Derive(m.history.View(), &e.Entry)); a != nil {
			c.Epoch, c.Reason = a.Epoch, reasonIn(m.history.View(), e, a.Epoch)
		}
	}
	fitInfo(&c)
	return c
}

// pageLimit is how many children a page of a list has at most.
const pageLimit = 1000

func (m *Machine) list(e ControlReceived, r protocol.ListRequest) (any, *protocol.Problem) {
	if err := checkList(&r); err != nil {
		return nil, badRequest(e.Verb, err)
	}
	if r.Limit < 0 || r.Limit > pageLimit {
		return nil, &protocol.Problem{Code: protocol.CodeBadRequest, Message: "limit: allowed is 1 to 1000"}
	}
	if r.Limit == 0 {
		r.Limit = pageLimit
	}
	var names []string
	for child, s := range m.specs.specs {
		if m.matches(&r, child, s.spec) {
			names = append(names, child)
		}
	}
	sort.Strings(names)
	page := protocol.ListResponse{Children: []protocol.ChildInfo{}, Total: len(names)}
	from, _ := slices.BinarySearch(names, r.After+"\x00")
	if r.After == "" {
		from = 0
	}
	size := 0
	for _, child := range names[from:] {
		info := m.childInfo(child)
		size += len(encode(info))
		if len(page.Children) >= r.Limit || size > pageBytes && len(page.Children) > 0 {
			page.More = true
			break
		}
		page.Children = append(page.Children, info)
	}
	return page, nil
}

// checkList checks what is compared with each child.
func checkList(r *protocol.ListRequest) error {
	if r.Filter != "" {
		if err := protocol.ValidateFilter(r.Filter); err != nil {
			return err
		}
	}
	if r.Node != "" {
		return protocol.ValidateNode(r.Node)
	}
	return nil
}

func (m *Machine) matches(r *protocol.ListRequest, child string, spec *protocol.Spec) bool {
	if r.Filter != "" && !MatchFilter(r.Filter, child) || r.Tag != "" && spec.Metadata[protocol.TagKey] != r.Tag {
		return false
	}
	if r.Incomplete || r.Failed {
		c := m.condition(child, spec)
		if r.Incomplete && c.have >= c.want || r.Failed && !c.failed {
			return false
		}
	}
	if r.Node == "" {
		return true
	}
	e := m.history.Entry(child)
	return e != nil && slices.Contains(m.alive(e), r.Node)
}

// MatchFilter reports whether a name matches a filter as NATS subjects have them: * for one token, >
// for one or more at the end.
func MatchFilter(filter, name string) bool {
	f, n := strings.Split(filter, "."), strings.Split(name, ".")
	for i, token := range f {
		switch {
		case token == ">":
			return i == len(f)-1 && len(n) > i
		case i >= len(n) || token != "*" && token != n[i]:
			return false
		}
	}
	return len(f) == len(n)
}

// nodesInfo lists the nodes' records, by name. What is in a record came from whoever wrote it.
func (m *Machine) nodesInfo(_ ControlReceived, q protocol.NodesRequest) (any, *protocol.Problem) {
	v := m.history.View()
	page := protocol.NodesResponse{View: v.Number, Nodes: []protocol.NodeInfo{}, Total: len(m.nodes.nodes)}
	size := 0
	for _, name := range sortedKeys(m.nodes.nodes) {
		if q.After != "" && name <= q.After {
			continue
		}
		n := m.nodeInfo(name)
		size += len(encode(n))
		if size > pageBytes && len(page.Nodes) > 0 {
			page.More = true
			break
		}
		page.Nodes = append(page.Nodes, n)
	}
	return page, nil
}

func (m *Machine) nodeInfo(name string) protocol.NodeInfo {
	v, k := m.history.View(), m.nodes.nodes[name]
	n := protocol.NodeInfo{NodeRecord: k.NodeRecord, Member: v.Has(k.Incarnation), Coordinator: v.Coordinator == k.Incarnation}
	if x := v.Member(name); n.Member {
		n.Kinds = m.kindsOf(x)
	}
	n.Sig = "" // it is of the stored value
	if rep, ok := m.reportOf(name); ok && n.Member {
		n.Children, n.Active = rep.Children, rep.Active
	}
	for _, text := range []*string{&n.Version, &n.Started, &n.Reason, &n.By} {
		*text = protocol.Cut(*text, protocol.MaxText)
	}
	return n
}
