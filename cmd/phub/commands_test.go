package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

func child(name, active, passive string) phub.ChildInfo {
	return phub.ChildInfo{
		Child: name, Epoch: 42, View: 40, Wanted: 2,
		Spec: phub.Spec{Child: name, Kind: "counter", Metadata: map[string]string{"tag": "t1"}},
		Replicas: []phub.ReplicaState{
			{Node: active, Mode: phub.Active, Epoch: 42, State: protocol.Running},
			{Node: passive, Mode: phub.Passive, Epoch: 42, State: protocol.Running},
		},
	}
}

func node(name string, coordinator bool) phub.NodeInfo {
	return phub.NodeInfo{
		NodeRecord: protocol.NodeRecord{
			Incarnation: protocol.Incarnation{Node: name, ID: "u-" + name}, Status: protocol.Up, Children: 4, Active: 2,
			Labels: map[string]string{"zone": "a"}, Started: time.Now().Add(-90*time.Minute - 20*time.Second).Format(time.RFC3339),
		},
		Member: true, Coordinator: coordinator,
	}
}

// lively is a hub with two nodes and two children.
func lively(t *testing.T) *fakeHub {
	t.Helper()
	hub := newFakeHub(t)
	hub.control(protocol.VerbStatus, phub.Status{
		Hub: "h", View: 42, Coordinator: protocol.Incarnation{Node: "node1", ID: "u"}, Nodes: 2, Children: 2,
		Replicas: 4, Wanted: 4, Settled: true, Config: protocol.Config{}.WithDefaults(),
	})
	hub.control(protocol.VerbNodes, phub.Nodes{View: 42, Nodes: []phub.NodeInfo{node("node1", true), node("node2", false)}})
	hub.control(protocol.VerbList, protocol.ListResponse{Children: []phub.ChildInfo{child("c1", "node1", "node2"), child("c2", "node2", "node1")}, Total: 2})
	hub.control(protocol.VerbInfo, child("c1", "node1", "node2"))
	return hub
}

func TestStatus_Screen(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	r := hub.run("status")
	r.want(t, 0, "OK  hub h: 2 nodes, 2 children, 4 of 4 replicas running; view 42, coordinator node1\n", "")
	r.want(t, 0, "NODE   STATUS  COORDINATOR  CHILDREN  ACTIVE  CAPACITY  AGE    LABELS  KINDS\nnode1  up      yes          4         2       1         1h30m  zone=a", "")
	r.want(t, 0, "CHILD  KIND     ACTIVE  EPOCH  PASSIVE  REPLICAS  TAG\nc1     counter  node1   42     node2    2/2       t1", "")
	v := decode[statusJSON](t, hub.run("status", "--json", "--limit", "1"))
	if v.Health != "OK" || len(v.NodeList) != 2 || len(v.Shown) != 1 || v.View != 42 {
		t.Errorf("got %+v", v)
	}
}

func TestStatus_LimitZeroShowsNoChild(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	r := hub.run("status", "--limit", "0")
	r.want(t, 0, "… and 2 more: phub child ls\n", "")
	if strings.Contains(r.out, "CHILD ") {
		t.Errorf("a table of no children: %q", r.out)
	}
	if v := decode[statusJSON](t, hub.run("status", "--json", "--limit", "0")); v.Shown == nil || len(v.Shown) != 0 {
		t.Errorf("got children %+v, want an empty list", v.Shown)
	}
}

func TestNodeDrain(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	left := 2
	hub.serve(hub.subjects.Control(protocol.VerbDrain), func(msg *nats.Msg) any {
		var r protocol.DrainRequest
		hub.check(json.Unmarshal(msg.Data, &r))
		switch {
		case r.Node == "stuck":
			return protocol.DrainResponse{Node: r.Node, Draining: true, Children: 3, Stuck: []protocol.StuckChild{{Child: "c1", Reason: "no other node is open"}}, StuckInAll: 3}
		case r.Cancel:
			return protocol.DrainResponse{Node: r.Node}
		}
		left--
		return protocol.DrainResponse{Node: r.Node, Draining: true, Children: max(left, 0)}
	})
	hub.run("node", "drain", "n1").wantExactly(t, 0, "n1 is empty: 1 child moved\n", "")
	hub.run("node", "drain", "n1", "--cancel").wantExactly(t, 0, "n1 drains no more\n", "")
	if s := decode[phub.DrainState](t, hub.run("node", "drain", "n1", "--json")); !s.Draining || s.Children != 0 {
		t.Errorf("got %+v", s)
	}
	r := hub.run("node", "drain", "stuck", "--timeout", "100ms")
	r.want(t, exitFailed, "", "c1: no other node is open\n… and 2 more\n")
	r.want(t, exitFailed, "", "3 children are left")
	hub.run("node", "drain", "a b").want(t, exitUsage, "", "node: found")
}

func TestNumbered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		n    numbered
		want string
	}{
		{numbered{3, 1}, "c1 c2 c3"},
		{numbered{3, 0}, "c0 c1 c2"},
		{numbered{2, 9}, "c9 c10"},
		{numbered{0, 1}, "c%d"},
	} {
		if got, err := tc.n.names([]string{"c%d"}); err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%+v: got %v, %v, want %s", tc.n, got, err, tc.want)
		}
	}
}

// The record of a node that is gone says when it started, but not when it ended.
func TestNodeLs_NoAgeOfWhatIsGone(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	started := protocol.NodeRecord{Started: "2020-01-01T00:00:00Z"}
	gone, here := started, started
	gone.Node, gone.Status, here.Node, here.Status = "n1", protocol.Lost, "n2", protocol.Up
	hub.control(protocol.VerbNodes, phub.Nodes{Nodes: []phub.NodeInfo{{NodeRecord: gone}, {NodeRecord: here, Member: true}}})
	ages := map[string]string{}
	for line := range strings.Lines(hub.run("node", "ls").out) {
		f := strings.Fields(line)
		ages[f[0]] = f[len(f)-3]
	}
	if ages["n1"] != "-" || !strings.HasSuffix(ages["n2"], "h") {
		t.Errorf("got ages %v", ages)
	}
}

// --timeout is for all of a command: a server that says nothing does not make it wait longer.
func TestTimeout_CoversConnecting(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	servers := strings.Repeat("nats://"+silent.Addr().String()+",", 4) + "nats://" + silent.Addr().String()
	for _, command := range [][]string{{"status"}, {"hub", "ls"}, {"hub", "watch"}} {
		began := time.Now()
		r := phubRun(t, nil, "", append(command, "--server", servers, "--timeout", "200ms")...)
		if took := time.Since(began); r.code != exitFailed || took > 5*time.Second { // each server by itself has 2 s
			t.Errorf("%v: exit code %d after %v", command, r.code, took)
		}
	}
}

func TestLog_DurationsInJSONHaveAUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &nodeRun{app: &app{stdio: stdio{err: &out}}, logJSON: true, logLevel: "info"}
	c.logger().Info("connect", "again_in", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"again_in":"1.5s"`) {
		t.Errorf("got %s", &out)
	}
}

func TestDev_ShowsWhatWorkersSay(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := &workersOnly{to: &out}
	for _, part := range []string{"level=INFO msg=joined hub=h\nlevel=INFO msg=\"from a pro", "gram\" child=c1 line=boom\nlevel=WARN msg=x", "\n"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "level=INFO msg=\"from a program\" child=c1 line=boom\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestStatus_ShowsWhatWasRefused(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	if r := hub.run("status"); strings.Contains(r.out, "refused") {
		t.Errorf("nothing was refused, and the screen says %q", r.out)
	}
	hub = newFakeHub(t)
	hub.control(protocol.VerbNodes, phub.Nodes{})
	hub.control(protocol.VerbList, protocol.ListResponse{})
	hub.control(protocol.VerbStatus, phub.Status{Hub: "h", Settled: true, Refused: map[string]phub.Refused{
		"reply": {Total: 12, PerMinute: 3}, "log": {Total: 1},
	}})
	hub.run("status").want(t, 0, "\n  refused input: log 1 (0 in the last minute), reply 12 (3 in the last minute)\n", "")
	v := decode[statusJSON](t, hub.run("status", "--json"))
	if v.Refused["reply"] != (phub.Refused{Total: 12, PerMinute: 3}) || v.Health != "OK" {
		t.Errorf("got %+v", v)
	}
}

// The exit code is the verdict's, and what is wrong has names.
func TestStatus_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	judged := func(st phub.Status) *fakeHub {
		hub := newFakeHub(t)
		hub.control(protocol.VerbStatus, st)
		hub.control(protocol.VerbNodes, phub.Nodes{})
		hub.control(protocol.VerbList, protocol.ListResponse{})
		return hub
	}
	st := phub.Status{Hub: "h", Children: 9, Settled: true, Lost: 1, Incomplete: 7}
	st.Named = protocol.Named{Lost: []string{"node9"}, Incomplete: []string{"a", "b", "c", "d", "e", "f", "g"}}
	judged(st).run("status").want(t, 0, "  7 children with fewer replicas than wanted: a, b, c, d, e and 2 more\n  1 node lost: node9\n", "")
	st.NoActive, st.Named.NoActive = 1, []string{"a"}
	hub := judged(st)
	hub.run("status").want(t, exitFailed, "  1 child without a living replica: a\n", "")
	r := hub.run("status", "--json")
	r.want(t, exitFailed, `"health": "CRITICAL"`, "")
	if r.err != "" {
		t.Errorf("got %q beside the screen, want nothing", r.err)
	}
}

func TestChildLs_AsksForWhatIsWrong(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.serve(hub.subjects.Control(protocol.VerbList), func(msg *nats.Msg) any {
		var r protocol.ListRequest
		hub.check(json.Unmarshal(msg.Data, &r))
		return protocol.ListResponse{Children: []phub.ChildInfo{{Child: fmt.Sprintf("incomplete_%t_failed_%t", r.Incomplete, r.Failed)}}, Total: 1}
	})
	hub.run("child", "ls", "--names").wantExactly(t, 0, "incomplete_false_failed_false\n", "")
	hub.run("child", "ls", "--names", "--incomplete").wantExactly(t, 0, "incomplete_true_failed_false\n", "")
	hub.run("child", "ls", "--names", "--failed").wantExactly(t, 0, "incomplete_false_failed_true\n", "")
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for want, st := range map[string]phub.Status{
		"OK 0":       {Settled: true},
		"WARNING 1":  {Settled: true, Incomplete: 1},
		"WARNING 2":  {BadEntries: []string{"x"}},
		"CRITICAL 2": {NoActive: 1, Incomplete: 1, Settled: true},
		"WARNING 3":  {Failed: 1, Lost: 2},
	} {
		health, problems := judge(&st)
		if got := fmt.Sprintf("%s %d", health, len(problems)); got != want {
			t.Errorf("got %s %q, want %s", got, problems, want)
		}
	}
}

func TestReadOnlyCommands(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	hub.run("node", "ls").want(t, 0, "node2  up      -", "")
	hub.run("node", "info", "node1").want(t, 0, "Incarnation  u-node1", "")
	hub.run("node", "info", "node1").want(t, 0, "Children     4 replicas, 2 active\n", "")
	hub.run("node", "info", "node7").want(t, exitFailed, "", "has no node node7\nTry: phub node ls")
	hub.run("child", "ls").want(t, 0, "c2     counter  node2   42     node1    2/2       t1", "")
	hub.run("child", "list", "--names").want(t, 0, "c1\nc2\n", "")
	hub.run("child", "info", "c1").want(t, 0, "node2  passive  42     running  -         -   -", "")
	restarted := child("c2", "node1", "node2")
	restarted.Replicas[0].Restarts, restarted.Replicas[0].LastError = 3, "boom"
	restarted.Replicas[0].Since = time.Now().Add(-90 * time.Minute).UTC().Format(protocol.TimeLayout)
	other := newFakeHub(t)
	other.control(protocol.VerbInfo, restarted)
	other.run("child", "info", "c2").want(t, 0, "node1  active   42     running  3         1h30m  boom\n", "")
	hub.run("hub", "info").want(t, 0, "Lease        2s", "")
	if got := decode[[]string](t, hub.run("child", "ls", "--names", "--json")); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := decode[phub.Nodes](t, hub.run("node", "ls", "-j")); len(got.Nodes) != 2 || !got.Nodes[0].Coordinator {
		t.Errorf("got %+v", got)
	}
	if got := decode[phub.ChildInfo](t, hub.run("child", "info", "c1", "--json")); got.Child != "c1" || got.Replicas[1].Mode != phub.Passive {
		t.Errorf("got %+v", got)
	}
}

// serveStart answers starts, and fails the children whose name begins with "bad".
func serveStart(hub *fakeHub) {
	hub.serve(hub.subjects.Control(protocol.VerbStart), func(msg *nats.Msg) any {
		var req protocol.StartRequest
		hub.check(json.Unmarshal(msg.Data, &req))
		var resp protocol.StartResponse
		for _, s := range req.Children {
			r := phub.ChildResult{Child: s.Child, Replicas: []phub.ReplicaState{
				{Node: "node1", Mode: phub.Active, State: protocol.Running}, {Node: "node2", Mode: phub.Passive, State: protocol.Running},
			}}
			if strings.HasPrefix(s.Child, "bad") {
				r.Replicas[1] = phub.ReplicaState{Node: "node2", Mode: phub.Passive, State: protocol.FailedAt, Error: "kind " + s.Kind + " is unknown"}
			}
			resp.Results = append(resp.Results, r)
		}
		return resp
	})
}

func TestChildStart(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	serveStart(hub)
	hub.run("child", "start", "c1", "--kind", "echo").want(t, 0, "c1  node1 active, node2 passive\n", "")
	hub.run("child", "start", "c%d", "-k", "echo", "--count", "3").want(t, 0, "c3  node1 active", "")
	hub.run("child", "start", "c%d", "-k", "echo", "--count", "5000").want(t, 0, "started 5000 children, 10000 replicas: node1 5000, node2 5000\n", "")
	r := hub.run("child", "start", "c1", "bad1", "-k", "nope")
	r.want(t, exitFailed, "bad1  node2: kind nope is unknown\n", "1 child of 2 not started as asked\nTry: phub child info")
	got := decode[struct{ Results []phub.ChildResult }](t, hub.run("child", "start", "c1", "-k", "echo", "--json"))
	if len(got.Results) != 1 || got.Results[0].Replicas[0].Mode != phub.Active {
		t.Errorf("got %+v", got)
	}
}

func TestChildStart_NoticesAreOnStderr(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.control(protocol.VerbStart, protocol.StartResponse{Results: []phub.ChildResult{{Child: "c1", Replicas: []phub.ReplicaState{
		{Node: "node1", Mode: phub.Active, State: protocol.Running, Notice: "it is deaf"}, {Node: "node2", Mode: phub.Passive, State: protocol.Running, Notice: "it is deaf"},
	}}}})
	r := hub.run("child", "start", "c1", "-k", "mine")
	r.want(t, 0, "c1  node1 active, node2 passive\n", "phub: child c1: it is deaf\n")
	if strings.Count(r.err, "it is deaf") != 1 {
		t.Errorf("stderr has %q, expected it once", r.err)
	}
	hub.run("child", "start", "c1", "-k", "mine", "--json").want(t, 0, `"notice": "it is deaf"`, "phub: child c1: it is deaf\n")
}

func TestChildStart_FlagsMakeTheSpec(t *testing.T) {
	t.Parallel()
	c := &childStart{
		ids: []string{"a.%d"}, numbers: numbered{2, 1}, kind: "exec", replicas: "cluster_size", model: "active_passive", signal: "all",
		restart: "transient", args: []string{"cmd=x=y"}, metadata: []string{"k=v"}, tag: "t",
	}
	specs, err := c.specs()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(specs[1])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":0,"child":"a.2","kind":"exec","args":{"cmd":"x=y"},"metadata":{"k":"v","tag":"t"},"restart":{"policy":"transient"},` +
		`"redundancy":{"replication_factor":"cluster_size","replication_model":"active_passive","redundancy_signal":"all"}}`
	if string(data) != want {
		t.Errorf("got  %s\nwant %s", data, want)
	}
}

func TestChildStart_FromFileAndStdin(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	serveStart(hub)
	path := filepath.Join(t.TempDir(), "children.yaml")
	text := "children:\n  - {child: a, kind: echo}\n  - {child: b, kind: echo}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	hub.run("child", "start", "--file", path).want(t, 0, "b  node1 active", "")
	env := map[string]string{"NATS_URL": hub.url, "PHUB_HUB": "h"}
	phubRun(t, env, text, "child", "start", "--file", "-").want(t, 0, "a  node1 active", "")
	phubRun(t, env, "kynd: x", "child", "start", "--file", "-").want(t, exitUsage, "", "kynd: found")
}

func TestChildStopAndMove(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.control(protocol.VerbStop, protocol.StopResponse{Results: []phub.ChildResult{
		{Child: "c1"}, {Child: "c2", Error: &phub.Problem{Code: 404, Message: "no child c2", Try: "phub child ls"}},
	}})
	hub.control(protocol.VerbMove, phub.ChildResult{Child: "c1", Replicas: []phub.ReplicaState{{Node: "node2", Mode: phub.Active, State: protocol.Running}}})
	hub.run("child", "stop", "c1", "c2").want(t, exitFailed, "c2  no child c2\n", "Try: phub child ls")
	hub.run("child", "stop", "c1", "c2").wantExactly(t, exitFailed, "c1  stopped\nc2  no child c2\n", "phub: error: 1 child of 2 not stopped as asked\nTry: phub child ls\n")
	hub.run("child", "move", "c1", "node2").want(t, 0, "c1  node2 active\n", "")
}

func TestReport_SaysEachThingOnce(t *testing.T) {
	t.Parallel()
	failed := func(node string) phub.ReplicaState {
		return phub.ReplicaState{Node: node, Mode: phub.Passive, State: protocol.FailedAt, Error: "no such kind"}
	}
	hub := newFakeHub(t)
	hub.control(protocol.VerbStart, protocol.StartResponse{Results: []phub.ChildResult{{
		Child: "c1", Replicas: []phub.ReplicaState{failed("node1"), failed("node2")},
		Error: &phub.Problem{Code: 500, Message: "child c1 does not run on any node (node1: no such kind)", Try: "phub child info c1"},
	}}})
	hub.run("child", "start", "c1", "-k", "nope").wantExactly(t, exitFailed, "c1  node1 passive (failed), node2 passive (failed)\n",
		"phub: error: child c1 does not run on any node; node1, node2: no such kind\nTry: phub child info c1\n")
	hub.control(protocol.VerbStop, protocol.StopResponse{Results: []phub.ChildResult{{Child: "c1", Error: &phub.Problem{Code: 404, Message: "no child c1", Try: "phub child ls"}}}})
	hub.run("child", "stop", "c1").wantExactly(t, exitFailed, "", "phub: error: no child c1\nTry: phub child ls\n")

	info := child("c1", "node1", "node2")
	info.Replicas[0] = failed("node1")
	info.Failed = []protocol.Failure{{Node: "node1", Error: "no such kind", View: 3}, {Node: "node7", Error: "too late", View: 3}}
	hub.control(protocol.VerbInfo, info)
	r := hub.run("child", "info", "c1")
	r.want(t, 0, "\nGiven up on node7 in view 3: too late\n", "")
	if strings.Count(r.out, "no such kind") != 1 {
		t.Errorf("found not once why node1 gave up:\n%s", r.out)
	}
	newFakeHub(t).run("child", "start", "c1", "c2", "-k", "echo").wantExactly(t, exitFailed, "",
		"phub: error: hub h: no node answers\nTry: phub hub ls; or start a node: phub node run --hub h\n")
}

func TestReport_TellsChildrenWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	lost := errors.New("start: no coordinator")
	results := []phub.ChildResult{
		{Child: "c1", Replicas: []phub.ReplicaState{{Node: "node1", Mode: phub.Active, State: protocol.Running}}},
		{Child: "c2", Error: &phub.Problem{Message: "whether this was done is unknown: " + lost.Error()}},
		{Child: "c3", Error: &phub.Problem{Message: "kind is wrong"}},
	}
	var out safeBuffer
	a := &app{stdio: stdio{out: &out}}
	if err := a.report("started", results, lost); err == nil || err.Error() != "1 child of 3 not answered for: start: no coordinator" || !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	if want := "c1  node1 active\nc3  kind is wrong\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestReq(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.serve(hub.subjects.Request("c1"), func(msg *nats.Msg) any {
		h := nats.Header{protocol.HeaderNode: {"node2"}, protocol.HeaderEpoch: {"42"}}
		return &nats.Msg{Header: h, Data: append([]byte("got "), msg.Data...)}
	})
	hub.serve(hub.subjects.Request("broken"), func(*nats.Msg) any {
		return &nats.Msg{Header: nats.Header{protocol.HeaderErrorCode: {"500"}, protocol.HeaderError: {"boom"}, protocol.HeaderNode: {"node2"}, protocol.HeaderEpoch: {"7"}}}
	})
	hub.run("req", "c1", "hello").want(t, 0, "got hello\n", "")
	phubRun(t, map[string]string{"NATS_URL": hub.url}, "from stdin\n", "--hub", "h", "req", "c1", "-").want(t, 0, "got from stdin\n", "")
	if r := hub.run("req", "c1", "x", "--raw"); r.out != "got x" {
		t.Errorf("got %q", r.out)
	}
	hub.run("req", "broken").want(t, exitFailed, "", "error 500 from node2 (epoch 7): boom\nTry:")
	hub.run("req", "none", "--timeout", "200ms").want(t, exitFailed, "", "request to none: no replica listens for it at this moment (retried")
	v := decode[map[string]any](t, hub.run("req", "c1", "hello", "--json"))
	for key, want := range map[string]any{"child": "c1", "data": "got hello", "node": "node2", "epoch": 42.0, "retries": 0.0} {
		if v[key] != want {
			t.Errorf("%s is %v, want %v", key, v[key], want)
		}
	}
	if ms, ok := v["ms"].(float64); !ok || ms <= 0 {
		t.Errorf("ms is %v", v["ms"])
	}
}

func TestWatch_PrintsLinesUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	for _, tc := range []struct{ line, want, not string }{
		{"child watch orders.*", "orders.eu         node2 active  epoch 42  node_lost", "node_joined"},
		{"hub watch", "node_joined", "\x1b"},
		{"hub watch --json", `"mode":"active","epoch":42`, "Watching"},
	} {
		out := &safeBuffer{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		code := make(chan int, 1)
		env := map[string]string{"NATS_URL": hub.url, "PHUB_HUB": "h"}
		go func() {
			code <- run(ctx, strings.Fields(tc.line), stdio{nil, out, &safeBuffer{}}, func(k string) string { return env[k] })
		}()
		for !strings.Contains(out.String(), tc.want) && ctx.Err() == nil { // the watch begins some time
			hub.check(hub.nc.Publish(hub.subjects.Mode("orders.eu"), []byte(`{"hub":"h","child":"orders.eu","node":"node2","mode":"active","epoch":42,"reason":"node_lost"}`)))
			hub.check(hub.nc.Publish(hub.subjects.Event(protocol.NodeJoined, "node3"), []byte(`{"type":"node_joined","node":"node3","view":43}`)))
			pause(ctx, 10*time.Millisecond)
		}
		cancel()
		if got := <-code; got != 0 || !strings.Contains(out.String(), tc.want) || strings.Contains(out.String(), tc.not) {
			t.Errorf("%s: got exit code %d and %q, want %q and not %q", tc.line, got, out, tc.want, tc.not)
		}
	}
}

func TestLoadCells_OfANodeThatIsGone(t *testing.T) {
	t.Parallel()
	gone, back := node("n1", false), node("n2", false)
	gone.Status, gone.Member = protocol.Lost, false
	back.Member = false
	for n, want := range map[*phub.NodeInfo]string{&gone: "- -", &back: "4 2"} {
		if children, active := loadCells(n); children+" "+active != want {
			t.Errorf("%s: got %s %s, want %s", n.Node, children, active, want)
		}
	}
}

func TestPlacementText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*phub.Entry{
		"taken away":                      nil,
		"no replica  given up everywhere": {Epoch: 7, Reason: "given up everywhere"},
		"n1 active  epoch 7  move":        {Epoch: 7, Reason: "move", Replicas: []protocol.Replica{{Node: "n1", Mode: phub.Active}}},
	} {
		if got := placementText(e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"> a": true, "a.> a.b.c": true, "a.> a": false, "a.* a.b": true, "a.* a.b.c": false, "a a": true, "a b": false, "a.b a": false, "a a.b": false, "*.b a.b": true,
	} {
		filter, name, _ := strings.Cut(line, " ")
		if matches(filter, name) != want {
			t.Errorf("%s: got %v", line, !want)
		}
	}
}

func TestActiveCheck(t *testing.T) {
	t.Parallel()
	c := newActiveCheck()
	before := c.sent("a")
	c.received("a", before, "n1", 1)
	c.received("a", before, "n1", 1)
	late := c.sent("a")
	c.received("a", c.sent("a"), "n2", 2)
	c.received("a", late, "n1", 1) // it was under way when the role moved
	c.received("b", c.sent("b"), "n3", 1)
	if c.dual != 0 {
		t.Fatalf("a handover counts as %d times two active", c.dual)
	}
	c.received("a", c.sent("a"), "n1", 1) // sent after n2 answered with a newer epoch
	c.received("a", late, "n3", 1)        // another node in the same epoch
	if c.dual != 2 {
		t.Errorf("got %d, want 2", c.dual)
	}
}

func TestTable_AlignsWhatIsColoured(t *testing.T) {
	t.Parallel()
	var out safeBuffer
	a := &app{colour: true}
	tab := newTable("A", "B")
	tab.add(a.paint(red, "ä"), "x")
	tab.add("long", "y")
	tab.print(&out)
	if want := "A     B\n\x1b[31mä\x1b[0m     x\nlong  y\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// TestPermissions_InEachFormat compares what is printed, through the screen, with what the package says.
func TestPermissions_InEachFormat(t *testing.T) {
	t.Parallel()
	p, err := permissions.Of(permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.{{name()}}", System: true, NoCreate: true}, permissions.Node)
	if err != nil {
		t.Fatal(err)
	}
	line := []string{"permissions", "node", "--hub", "h", "--inbox-prefix", "_INBOX_h.{{name()}}", "--system", "--no-create"}
	for format, want := range map[string]string{"conf": p.Conf(), "jwt": p.JWT(), "nsc": p.NSC()} {
		phubRun(t, nil, "", append(line, "--format", format)...).wantExactly(t, 0, want, "")
	}
	if got := decode[permissions.Permissions](t, phubRun(t, nil, "", append(line, "--json")...)); !reflect.DeepEqual(got, p) {
		t.Errorf("got %+v, want %+v", got, p)
	}
}
