package phub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

func TestNewClient_RefusesBadInput(t *testing.T) {
	t.Parallel()
	if _, err := phub.NewClient(nil, "h"); err == nil {
		t.Error("a client without a connection was made")
	}
	if _, err := phub.NewClient(&nats.Conn{}, "a.b"); err == nil {
		t.Error("a client of a hub named a.b was made")
	}
}

func manySpecs(n int) []phub.Spec {
	specs := make([]phub.Spec, n)
	for i := range specs {
		specs[i] = phub.Spec{Child: fmt.Sprintf("c%05d", i), Kind: "echo"}
	}
	return specs
}

// serveStart answers starts: each child runs on node1.
func serveStart(hub *fakeHub) *counter {
	return hub.serve(hub.subjects.Control(protocol.VerbStart), func(_ int, msg *nats.Msg) {
		var req protocol.StartRequest
		if err := json.Unmarshal(msg.Data, &req); err != nil || len(req.Children) > protocol.MaxStart || req.Wait <= 0 {
			hub.t.Errorf("got a request with %d children, wait %v: %v", len(req.Children), req.Wait, err)
		}
		var resp protocol.StartResponse
		for _, s := range req.Children {
			resp.Results = append(resp.Results, phub.ChildResult{Child: s.Child, Replicas: []phub.ReplicaState{{Node: "node1", Mode: phub.Active, State: protocol.Running}}})
		}
		hub.respond(msg, resp)
	})
}

func TestStart_InChunksWithProgress(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	requests := serveStart(hub)
	specs := manySpecs(2*protocol.MaxStart + 1)
	last := 0
	results, err := client.Start(t.Context(), specs, func(done, total int) {
		if done <= last || total != len(specs) {
			t.Errorf("progress went from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		if results[i].Child != specs[i].Child || len(results[i].Replicas) != 1 {
			t.Fatalf("result %d is %+v, want that of %s", i, results[i], specs[i].Child)
		}
	}
	if requests.count() != 3 || last != len(specs) {
		t.Errorf("got %d requests and progress up to %d, want 3 and %d", requests.count(), last, len(specs))
	}
}

func TestStart_BigSpecsMakeSmallChunks(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	requests := serveStart(hub)
	specs := manySpecs(40)
	for i := range specs {
		specs[i].Args = map[string]string{"big": strings.Repeat("x", 60<<10)}
	}
	if _, err := client.Start(t.Context(), specs, nil); err != nil {
		t.Fatal(err)
	}
	if n := requests.count(); n != 5 {
		t.Errorf("got %d requests, want 5: eight specs of 60 KiB in each", n)
	}
}

func TestStart_RefusesBadSpecsBeforeSending(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	requests := serveStart(hub)
	for name, specs := range map[string][]phub.Spec{
		"no kind": {{Child: "a"}},
		"twice":   {{Child: "a", Kind: "echo"}, {Child: "a", Kind: "echo"}},
		"name":    {{Child: "a..b", Kind: "echo"}},
	} {
		if results, err := client.Start(t.Context(), specs, nil); err == nil || results != nil {
			t.Errorf("%s: got %v, %v, want an error and no results", name, results, err)
		}
	}
	if requests.count() != 0 {
		t.Errorf("%d requests were sent, want none", requests.count())
	}
}

func TestControl_RetriesWithoutACoordinator(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Control(protocol.VerbStop), func(n int, msg *nats.Msg) {
		if n < 3 {
			hub.respondError(msg, protocol.CodeHubNotServed, "no coordinator")
			return
		}
		hub.respond(msg, protocol.StopResponse{Results: []phub.ChildResult{
			{Child: "c", Error: &phub.Problem{Code: protocol.CodeNotFound, Message: "no child c"}}, // a try before may have stopped it
		}})
	})
	results, err := client.Stop(within(t, 10*time.Second), []string{"c"}, nil)
	if err != nil || results[0].Error != nil {
		t.Errorf("got %+v, %v", results, err)
	}
}

// The node that took the request dies with it: another one is asked 2 s later, not when the whole wait is over.
func TestControl_AsksAnotherNodeWhileOneIsSilent(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	requests := hub.serve(hub.subjects.Control(protocol.VerbStop), func(n int, msg *nats.Msg) {
		if n == 0 {
			return // it dies
		}
		hub.respond(msg, protocol.StopResponse{Results: []phub.ChildResult{
			{Child: "c", Error: &phub.Problem{Code: protocol.CodeNotFound, Message: "no child c"}}, // the first one may have stopped it
		}})
	})
	began := time.Now()
	results, err := client.Stop(within(t, 30*time.Second), []string{"c"}, nil)
	if err != nil || results[0].Error != nil {
		t.Errorf("got %+v, %v", results, err)
	}
	if took := time.Since(began); requests.count() != 2 || took > 8*time.Second {
		t.Errorf("got an answer to request %d after %v, want one to the second, which is sent after 2 s", requests.count(), took)
	}
}

func TestControl_GivesUp(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Control(protocol.VerbStart), func(_ int, msg *nats.Msg) {
		hub.respondError(msg, protocol.CodeHubNotServed, "no coordinator")
	})
	results, err := client.Start(within(t, 200*time.Millisecond), manySpecs(2), nil)
	if !errors.Is(err, phub.ErrNoCoordinator) {
		t.Errorf("got %v, want ErrNoCoordinator", err)
	}
	if len(results) != 2 || results[1].Error == nil || results[1].Child != "c00001" {
		t.Errorf("got %+v, want an error for each child", results)
	}
	if _, err := client.Status(within(t, 10*time.Second)); !errors.Is(err, phub.ErrNoHub) {
		t.Errorf("a verb that nobody serves: got %v, want ErrNoHub", err)
	}
}

func TestMove_ProblemKeepsCodeAndTry(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Control(protocol.VerbMove), func(_ int, msg *nats.Msg) {
		h := nats.Header{protocol.HeaderNode: {"node9"}, protocol.HeaderErrorCode: {"409"}, protocol.HeaderError: {"short"}}
		body, _ := json.Marshal(phub.Problem{Code: 409, Message: "node3 is draining", Try: "another node"})
		if err := msg.RespondMsg(&nats.Msg{Header: h, Data: body}); err != nil {
			t.Error(err)
		}
	})
	_, err := client.Move(t.Context(), "c", "node3")
	var p *phub.Problem
	if !errors.As(err, &p) || p.Code != protocol.CodeConflict || p.Try != "another node" {
		t.Errorf("got %v (%+v)", err, p)
	}
}

func TestList_ReadsAllPages(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	all := []string{"a", "b", "c", "d", "e"}
	requests := hub.serve(hub.subjects.Control(protocol.VerbList), func(_ int, msg *nats.Msg) {
		var req protocol.ListRequest
		if err := json.Unmarshal(msg.Data, &req); err != nil || req.Tag != "t" {
			t.Errorf("got %+v, %v", req, err)
		}
		from, _ := slices.BinarySearch(all, req.After+"\x00")
		to := min(from+2, len(all))
		page := protocol.ListResponse{Total: len(all), More: to < len(all)}
		for _, name := range all[from:to] {
			page.Children = append(page.Children, phub.ChildInfo{Child: name})
		}
		hub.respond(msg, page)
	})
	var got []string
	for child, err := range client.List(t.Context(), phub.Filter{Tag: "t"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, child.Child)
	}
	if !slices.Equal(got, all) || requests.count() != 3 {
		t.Errorf("got %v in %d requests, want %v in 3", got, requests.count(), all)
	}
}

func TestHubs_ListsPlacementBuckets(t *testing.T) {
	t.Parallel()
	hub, _ := setup(t)
	js, err := jetstream.New(hub.nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{"phub_b_placement", "phub_a_1_placement", "phub_b_nodes", "other_placement"} {
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
	}
	hubs, err := phub.Hubs(t.Context(), natstest.Connect(t, hub.url), "")
	if err != nil || !slices.Equal(hubs, []string{"a_1", "b"}) {
		t.Errorf("got %v, %v", hubs, err)
	}
}

func TestNodes_ReadsAllPages(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	asked := hub.serve(hub.subjects.Control(protocol.VerbNodes), func(_ int, msg *nats.Msg) {
		var req protocol.NodesRequest
		if err := json.Unmarshal(msg.Data, &req); err != nil {
			t.Error(err)
		}
		page := phub.Nodes{View: 7, Total: 5}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			if name > req.After && len(page.Nodes) < 2 {
				page.Nodes = append(page.Nodes, phub.NodeInfo{NodeRecord: protocol.NodeRecord{Incarnation: protocol.Incarnation{Node: name}}})
			}
		}
		page.More = req.After != "d"
		hub.respond(msg, page)
	})
	nodes, err := client.Nodes(t.Context())
	if err != nil || len(nodes.Nodes) != 5 || nodes.Nodes[4].Node != "e" || nodes.View != 7 || nodes.Total != 5 || nodes.More || asked.count() != 3 {
		t.Errorf("got %+v, %v, asked %d times", nodes, err, asked.count())
	}
}

// TestNodes_EndsWhateverTheHubSays has a hub that always promises another page.
func TestNodes_EndsWhateverTheHubSays(t *testing.T) {
	t.Parallel()
	hub, client := setup(t)
	hub.serve(hub.subjects.Control(protocol.VerbNodes), func(_ int, msg *nats.Msg) {
		hub.respond(msg, phub.Nodes{More: true, Nodes: []phub.NodeInfo{{NodeRecord: protocol.NodeRecord{Incarnation: protocol.Incarnation{Node: "a"}}}}})
	})
	if nodes, err := client.Nodes(t.Context()); err != nil || len(nodes.Nodes) != 2 {
		t.Errorf("got %+v, %v", nodes, err)
	}
}
