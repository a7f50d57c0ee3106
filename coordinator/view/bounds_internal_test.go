package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/coordinator/placement"
	"github.com/phub-io/phub/protocol"
)

// leading returns a coordinator of hub h with this many nodes, node0 itself among them, which runs child c on all of them by
// view 5.
func leading(nodes int) *Machine {
	m := New(Config{Hub: "h", Node: "node0", Keys: unsigned(func() string { return "id" })})
	m.lead = newLead()
	v := &protocol.View{Number: 5, Coordinator: m.self}
	e := &Placed{Child: "c", Entry: protocol.Entry{V: 1, View: 5, Epoch: 5}}
	for i := range nodes {
		node := fmt.Sprintf("node%d", i)
		v.Members = append(v.Members, protocol.Member{Incarnation: protocol.Incarnation{Node: node, ID: "id"}, Since: 1})
		e.Replicas = append(e.Replicas, protocol.Replica{Node: node})
	}
	m.history.view = v
	m.history.replace(Change{"c", nil, e})
	return m
}

// TestReplicaFailed_KeepsEntriesStorable has a thousand nodes say in 2 MB each why they gave a child up: the child's entry, and each
// event, must stay small enough to be stored and sent.
func TestReplicaFailed_KeepsEntriesStorable(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("\x01\xff<", 2<<20/3)
	for _, nodes := range []int{1, 10, 1000} {
		m := leading(nodes)
		for i := range nodes {
			m.replicaFailed(fmt.Sprintf("node%d", i), protocol.Failed{Child: "c", View: 5, Error: text})
		}
		spec := protocol.Spec{Child: "c", Kind: "k"}.WithDefaults(protocol.Redundancy{})
		e := m.entry(planned{Plan: placement.Plan{Child: "c"}, entry: m.history.Entry("c")}, &spec, 6)
		data, err := json.Marshal(e)
		if err != nil || len(data) > 600<<10 || len(e.Failed) != nodes {
			t.Errorf("with %d nodes the entry has %d bytes and %d failures: %v", nodes, len(data), len(e.Failed), err)
		}
		if !strings.HasSuffix(e.Failed[0].Error, "bytes)") {
			t.Errorf("it does not say that it was cut: %q", e.Failed[0].Error)
		}
		for _, a := range m.out {
			if e, ok := a.(AnnounceEvent); ok && len(encode(e.Event)) > 8<<10 {
				t.Errorf("an event has %d bytes", len(encode(e.Event)))
			}
			if n, ok := a.(Note); ok && len(n.Text) > 2<<10 {
				t.Errorf("a note has %d bytes", len(n.Text))
			}
		}
	}
}

// TestFit_EachAnswerIsSent has the longest that there can be to say of 2000 children.
func TestFit_EachAnswerIsSent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\x01", protocol.MaxText)
	for _, replicas := range []int{0, 1, 2, 40, 1000} {
		results := make([]protocol.ChildResult, protocol.MaxStart)
		failed := slices.Repeat([]protocol.ReplicaState{{Node: strings.Repeat("n", protocol.MaxNodeName), Mode: protocol.Passive, State: protocol.FailedAt, Error: "out of order"}}, replicas)
		for i := range results {
			r := &results[i]
			r.Child = strings.Repeat("x", protocol.MaxChildName-4) + fmt.Sprintf("%04d", i)
			r.Error = &protocol.Problem{Code: 500, Message: long, Try: "something"}
			r.Replicas = failed
		}
		got := fit(results)
		data, err := json.Marshal(protocol.StartResponse{Results: got})
		if err != nil || len(data) > answerBytes+100 || len(got) != len(results) {
			t.Errorf("with %d replicas the answer for %d children has %d bytes: %v", replicas, len(got), len(data), err)
		}
		for i := range got {
			if got[i].Child != results[i].Child || got[i].Error == nil || len(got[i].Replicas)+got[i].Omitted != replicas {
				t.Fatalf("with %d replicas a result is %+v", replicas, got[i])
			}
		}
		if replicas > 0 && results[0].Replicas[0].Error != "out of order" || len(results[0].Replicas) != replicas || results[0].Error.Message != long {
			t.Errorf("with %d replicas what others hold was changed", replicas)
		}
	}
	few := []protocol.ChildResult{{Child: "c", Error: &protocol.Problem{Message: long}}}
	if got := fit(few); got[0].Error.Message != long {
		t.Error("a short answer was cut")
	}
}

// TestChildInfo_IsSent asks for a child with the longest spec and the most to say that there can be.
func TestChildInfo_IsSent(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("\x01", 2<<20)
	for _, nodes := range []int{1, 24, 50, 1000} {
		m := leading(nodes)
		for i := range nodes {
			m.replicaFailed(fmt.Sprintf("node%d", i), protocol.Failed{Child: "c", View: 5, Error: text})
		}
		spec := protocol.Spec{Child: "c", Kind: "k", Args: map[string]string{"a": strings.Repeat("\x01", protocol.MaxSpecBytes-1)}}.WithDefaults(protocol.Redundancy{})
		if err := spec.Validate(); err != nil {
			t.Fatal(err)
		}
		m.specs.specs["c"] = storedSpec{spec: &spec}
		m.history.Entry("c").Failed = m.failed("c", nil)
		page, problem := m.list(ControlReceived{}, protocol.ListRequest{})
		if n := len(encode(page)); n > 1<<20-2048 || problem != nil {
			t.Errorf("with %d nodes the page has %d bytes: %v", nodes, n, problem)
		}
		if c := page.(protocol.ListResponse).Children[0]; len(c.Replicas)+c.Omitted != 2*nodes {
			t.Errorf("with %d nodes: %d replicas, %d omitted", nodes, len(c.Replicas), c.Omitted)
		}
	}
}

// TestNodes_InPages has more records of nodes than one answer holds, and texts in them that somebody else wrote.
func TestNodes_InPages(t *testing.T) {
	t.Parallel()
	const nodes = 10_000
	m := leading(1)
	for i := range nodes {
		name := fmt.Sprintf("n%05d", i)
		rec := protocol.NodeRecord{V: 1, Incarnation: protocol.Incarnation{Node: name, ID: "x"}, Status: protocol.Lost, Reason: "its connection is closed"}
		if i%1000 == 0 {
			rec.Reason = strings.Repeat("\x01", 100_000)
		}
		m.nodes.nodes[name] = &Known{NodeRecord: rec}
	}
	var q protocol.NodesRequest
	seen := 0
	for pages := 0; ; pages++ {
		v, problem := m.nodesInfo(ControlReceived{}, q)
		page := v.(protocol.NodesResponse)
		if n := len(encode(page)); n > pageBytes+10_000 || problem != nil || len(page.Nodes) == 0 || page.Total != nodes || pages > 20 {
			t.Fatalf("page %d has %d bytes and %d of %d nodes: %v", pages, n, len(page.Nodes), page.Total, problem)
		}
		seen += len(page.Nodes)
		if q.After = page.Nodes[len(page.Nodes)-1].Node; !page.More {
			break
		}
	}
	if seen != nodes {
		t.Errorf("got %d nodes, want %d", seen, nodes)
	}
}

// TestNodes_ForgetsNames has more nodes come and go than it should remember.
func TestNodes_ForgetsNames(t *testing.T) {
	t.Parallel()
	n := NewNodes()
	n.Loaded(0, 0, 0, 0)
	now, rev := time.Duration(0), uint64(0)
	store := func(r Record) {
		rev++
		r.Revision = rev
		n.Stored(now, r)
	}
	for i := range markersKept + 100 {
		name := fmt.Sprintf("n%d", i)
		rec := protocol.NodeRecord{V: 1, Incarnation: protocol.Incarnation{Node: name, ID: "x"}, Status: protocol.Left, Started: "2026-11-22T17:08:08Z", Conn: protocol.Conn{Server: "S", Client: 1}}
		store(recordOf(rec, 0))
		if n.Get(name) == nil {
			t.Fatalf("%s is not known: %v", name, n.Bad())
		}
		store(Record{Bucket: protocol.NodesBucket, Key: name, Deleted: true})
		if n.Get(name) != nil || n.Revision(name) != rev {
			t.Fatalf("%s: known %v, at %d", name, n.Get(name), n.Revision(name))
		}
	}
	if len(n.keys) != markersKept || len(n.sure) != markersKept || len(n.marks.all) != markersKept || len(n.nodes)+len(n.bad)+len(n.later) > 0 {
		t.Errorf("it remembers %d keys, %d markers, %d nodes, %d bad ones", len(n.keys), len(n.marks.all), len(n.nodes), len(n.bad))
	}
}

// TestHistory_ForgetsNames has more children come and go than it should remember, in both buckets.
func TestHistory_ForgetsNames(t *testing.T) {
	t.Parallel()
	h, s := NewHistory(), NewSpecs()
	h.caughtUp(0)
	s.caughtUp(0)
	rev, number := uint64(0), uint64(0)
	commit := func(key string, value any, deleted bool) {
		number++
		v := &protocol.View{V: 1, Number: number, Coordinator: protocol.Incarnation{Node: "n1", ID: "x"}, Members: []protocol.Member{{Incarnation: protocol.Incarnation{Node: "n1", ID: "x"}, Since: 1}}, Nonce: "n", Batch: 2}
		e := Record{Bucket: protocol.PlacementBucket, Key: key, Revision: rev + 1, Deleted: deleted}
		if !deleted {
			e.Value = encode(value)
		}
		h.apply([]Record{e, {Bucket: protocol.PlacementBucket, Key: protocol.ViewKey, Value: encode(v), Revision: rev + 2}})
		rev += 2
	}
	for i := range markersKept + 100 {
		child := fmt.Sprintf("c%d", i)
		spec := protocol.Spec{Child: child, Kind: "k"}.WithDefaults(protocol.Redundancy{})
		s.apply([]Record{{Key: child, Value: encode(spec), Revision: rev + 1}, {Key: child, Deleted: true, Revision: rev + 2}})
		commit(child, protocol.Entry{V: 1, View: number + 1, Epoch: number + 1, Replicas: []protocol.Replica{{Node: "n1", Mode: protocol.Active}}}, false)
		if h.Entry(child) == nil {
			t.Fatalf("%s has no entry: %v", child, h.Bad())
		}
		commit(child, nil, true)
		if h.Entry(child) != nil || h.Revision(child) != rev-1 {
			t.Fatalf("%s has the entry %v, at %d", child, h.Entry(child), h.Revision(child))
		}
	}
	if len(h.keys) != markersKept+1 || len(s.keys) != markersKept || len(h.entries)+len(h.bad)+len(h.pending)+len(s.specs)+len(s.bad) > 0 {
		t.Errorf("remembered are %d keys of entries and %d of specs, %d entries, %d bad", len(h.keys), len(s.keys), len(h.entries), len(h.bad))
	}
}
