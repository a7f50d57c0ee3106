package phub_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// A hub's configuration changes while it runs; nodes that were started for what it was before join it all the same.
func TestClient_SetHub(t *testing.T) {
	t.Parallel()
	h := newTestHub(t, natstest.Single(t).URL())
	h.join("node1", "node2")
	before, err := h.client.Status(h.ctx(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	change := phub.Config{Balance: phub.BalanceOff, Redundancy: phub.Redundancy{Factor: 2}}
	after, err := h.client.SetHub(h.ctx(10*time.Second), change, before.Config.Revision())
	if err != nil || after.Balance != phub.BalanceOff || after.Redundancy.Strategy != phub.Replication || after.Revision() <= before.Config.Revision() {
		t.Fatalf("got %+v, %v", after, err)
	}
	if again, err := h.client.SetHub(h.ctx(10*time.Second), change, before.Config.Revision()); err != nil || !reflect.DeepEqual(again, after) {
		t.Errorf("asked for again: %+v, %v", again, err)
	}
	for name, change := range map[string]phub.Config{"from another revision": {Balance: phub.BalanceOn}, "a lease": {Lease: phub.Duration(time.Minute)}} {
		code := map[string]int{"a lease": protocol.CodeBadRequest}[name]
		if code == 0 {
			code = protocol.CodeConflict
		}
		_, err := h.client.SetHub(h.ctx(10*time.Second), change, before.Config.Revision())
		if p, ok := errors.AsType[*phub.Problem](err); !ok || p.Code != code {
			t.Errorf("%s: %v, want code %d", name, err, code)
		}
	}
	o := h.options("node3")
	o.Config.Balance = phub.BalanceOn
	h.joinWith(o)
	if results := h.start(phub.Spec{Child: "c", Kind: "who"}); len(results[0].Replicas) != 2 {
		t.Errorf("a child that does not say has the replicas %+v, want 2", results[0].Replicas)
	}
}

// A hub that is exported can be imported into another one; what differs there is not changed unless that is said.
func TestClient_ExportAndImport(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1", "node2")
	h.start(
		phub.Spec{Child: "a", Kind: "who", Args: map[string]string{"yes": "no", "n": "1.0", "text": "a: b\n# c\x01"}},
		phub.Spec{Child: "b", Kind: "who", Metadata: map[string]string{"tag": "t"}, Redundancy: phub.Redundancy{Factor: 2, Model: phub.ActivePassive}},
	)
	if _, err := h.client.SetHub(h.ctx(10*time.Second), phub.Config{Balance: phub.BalanceOff}, 0); err != nil {
		t.Fatal(err)
	}
	x, err := h.client.Export(h.ctx(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	data, err := x.YAML()
	if err != nil {
		t.Fatal(err)
	}
	read, err := phub.ParseExport(data)
	if err != nil || !reflect.DeepEqual(read, x) {
		t.Fatalf("read as %+v, %v, from\n%s", read, err, data)
	}
	plan, results, err := h.client.Import(h.ctx(10*time.Second), read, false, nil)
	if err != nil || len(results) != 0 || plan.Same != 2 || len(plan.Set)+len(plan.Start)+len(plan.Change) > 0 {
		t.Errorf("imported where it is from: %+v, %v, %v", plan, results, err)
	}

	client, err := phub.NewClient(natstest.Connect(t, srv.URL()), "other_hub")
	if err != nil {
		t.Fatal(err)
	}
	other := &testHub{t: t, name: "other_hub", url: srv.URL(), client: client, nodes: map[string]*phub.Node{}}
	other.join("node1", "node2")
	other.start(phub.Spec{Child: "b", Kind: "who"}, phub.Spec{Child: "c", Kind: "who"})
	if _, _, err := other.client.Import(h.ctx(10*time.Second), read, false, nil); !errors.Is(err, phub.ErrDiffers) || !strings.Contains(err.Error(), "setting balance") || !strings.Contains(err.Error(), "child b: redundancy.strategy singularity → replication") {
		t.Errorf("something that differs: %v", err)
	}
	if plan, err := other.client.PlanImport(h.ctx(10*time.Second), read); err != nil || len(plan.Set) != 1 || len(plan.Start) != 1 || len(plan.Change) != 1 {
		t.Errorf("planned: %+v, %v", plan, err)
	}
	if _, results, err := other.client.Import(h.ctx(30*time.Second), read, true, nil); err != nil || len(results) != 2 {
		t.Fatalf("replaced: %+v, %v", results, err)
	}
	now, err := other.client.Export(h.ctx(10 * time.Second))
	if err != nil || !reflect.DeepEqual(now.Config, x.Config) || !reflect.DeepEqual(now.Children[:2], x.Children) || len(now.Children) != 3 {
		t.Errorf("it became %+v, %v\nwant %+v, and c", now, err, x)
	}
	read.Config.Lease = phub.Duration(time.Minute)
	if _, _, err := other.client.Import(h.ctx(10*time.Second), read, true, nil); err == nil || !strings.Contains(err.Error(), "lease: found 1m0s") {
		t.Errorf("another lease: %v", err)
	}
}

func TestParseExport_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"":                                   "children: found none",
		"[1]":                                "children: found none",
		"children: [1]":                      "child 1: child spec: found a number",
		"{children: [], odd: 1}":             "odd: found beside hub, config and children",
		"{children: [], hub: 1}":             "hub: found a number",
		"{children: [], config: {lese: 1s}}": `config: found "lese"`,
		"{children: [], config: {lease: 1}}": "config: found",
		"{children: [], config: {lease: 1s, heartbeat: 1s}}":                   "config.lease: found 1s",
		"{children: [{child: a, kind: k}, {child: a, kind: k}]}":               "a",
		"{children: [{child: a, kind: k, restart: {max: x}}], config: {v: 1}}": "child 1 (a): restart.max",
	} {
		if _, err := phub.ParseExport([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", data, err, want)
		}
	}
	if x, err := phub.ParseExport([]byte("children: []")); err != nil || len(x.Children) != 0 {
		t.Errorf("no children: %+v, %v", x, err)
	}
}

// A hub is not removed while nodes live; then all of it goes, and what was exported comes back in a new one.
func TestRemoveHub_NotWhileNodesLive(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1")
	nc := natstest.Connect(t, srv.URL())
	want := func(what string, code int, err error) {
		t.Helper()
		if p, ok := errors.AsType[*phub.Problem](err); !ok || p.Code != code {
			t.Errorf("%s: %v, want code %d", what, err, code)
		}
	}
	want("a node answers", protocol.CodeConflict, phub.RemoveHub(h.ctx(10*time.Second), nc, "my_hub", ""))
	want("there is none", protocol.CodeNotFound, phub.RemoveHub(h.ctx(10*time.Second), nc, "none", ""))
	h.start(pair("a"), phub.Spec{Child: "b", Kind: "who"})
	x, err := h.client.Export(h.ctx(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.nodes["node1"].Leave(h.ctx(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	want("one wrote a moment ago", protocol.CodeConflict, phub.RemoveHub(h.ctx(10*time.Second), nc, "my_hub", ""))
	if hubs, err := phub.Hubs(h.ctx(10*time.Second), nc, ""); err != nil || len(hubs) != 1 {
		t.Errorf("hubs %v, %v", hubs, err)
	}

	h.eventually("it is removed", func() bool { return phub.RemoveHub(h.ctx(10*time.Second), nc, "my_hub", "") == nil })
	if hubs, err := phub.Hubs(h.ctx(10*time.Second), nc, ""); err != nil || len(hubs) != 0 {
		t.Errorf("after it was removed: hubs %v, %v", hubs, err)
	}
	h.join("node2", "node3")
	if plan, results, err := h.client.Import(h.ctx(20*time.Second), x, false, nil); err != nil || len(plan.Start) != 2 || len(results) != 2 {
		t.Errorf("imported: %+v, %+v, %v", plan, results, err)
	}
	for _, child := range []string{"a", "b"} {
		if _, err := h.client.Request(h.ctx(10*time.Second), child, []byte("hello")); err != nil {
			t.Errorf("%s: %v", child, err)
		}
	}
}
