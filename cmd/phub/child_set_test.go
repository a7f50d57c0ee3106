package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func TestChildSet_ChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	info := child("c1", "node1", "node2")
	info.Revision, info.Spec.Args = 7, map[string]string{"step": "1", "old": "x"}
	info.Spec.Redundancy = phub.Redundancy{Strategy: phub.Replication, Factor: 2, Model: phub.ActivePassive}
	hub.control(protocol.VerbInfo, info)
	var asked []byte
	hub.serve(protocol.SubjectsOf("h").Control(protocol.VerbUpdate), func(m *nats.Msg) any {
		asked = m.Data
		return protocol.UpdateResponse{Results: []phub.ChildResult{{Child: "c1", Replicas: info.Replicas}}}
	})
	hub.run("child", "set", "c1", "--arg", "step=2", "--unset-arg", "old", "--replicas", "3", "--tag", "t2").want(t, exitDone, "c1  node1 active, node2 passive", "")
	var r protocol.UpdateRequest
	if err := json.Unmarshal(asked, &r); err != nil || len(r.Children) != 1 {
		t.Fatalf("update request %s: %v", asked, err)
	}
	u := r.Children[0]
	if u.Revision != 7 || u.Spec.Kind != "counter" || u.Spec.Redundancy.Factor != 3 || u.Spec.Redundancy.Model != phub.ActivePassive || u.Spec.Metadata["tag"] != "t2" ||
		len(u.Spec.Args) != 1 || u.Spec.Args["step"] != "2" {
		t.Errorf("found %+v", u)
	}
}

func TestChildSet_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	single := child("c1", "node1", "node2")
	single.Spec.Redundancy.Strategy = phub.Singularity
	hub.control(protocol.VerbInfo, single)
	hub.run("child", "set", "c1").want(t, exitUsage, "", "found nothing to change")
	hub.run("child", "set", "c1", "--replicas", "0").want(t, exitUsage, "", "--replicas")
	hub.run("child", "set", "c1", "--replicas", "2").want(t, exitUsage, "", "say with --model")
}

func TestChildApply(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	file := filepath.Join(t.TempDir(), "c.yaml")
	specs := "children:\n- {child: c1, kind: counter, metadata: {tag: t1}, args: {step: \"2\"}}\n- {child: new, kind: echo, metadata: {tag: t1}}\n"
	if err := os.WriteFile(file, []byte(specs), 0o600); err != nil {
		t.Fatal(err)
	}
	hub.run("child", "apply", "-f", file, "--prune", "--tag", "t1", "--dry-run").want(t, exitDone,
		"args.step absent → \"2\"", "")
	hub.run("child", "apply", "-f", file, "--prune", "--tag", "t1", "--dry-run").want(t, exitDone,
		"stop    c2\nto start: 1, to change: 1, to stop: 1, as they are: 0\n", "")
	hub.control(protocol.VerbStart, protocol.StartResponse{Results: []phub.ChildResult{{Child: "new"}}})
	hub.control(protocol.VerbUpdate, protocol.UpdateResponse{Results: []phub.ChildResult{{Child: "c1"}}})
	hub.control(protocol.VerbStop, protocol.StopResponse{Results: []phub.ChildResult{{Child: "c2"}}})
	hub.run("child", "apply", "-f", file, "--prune", "--tag", "t1").want(t, exitDone, "c2  stopped\n1 started, 1 changed, 1 stopped, 0 as they were", "")
	hub.run("child", "apply", "-f", file, "--prune").want(t, exitUsage, "", "--tag")
	hub.run("child", "apply", "-f", file, "--prune", "--tag", "other").want(t, exitUsage, "", "other")
}

func TestChildPromote(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	var asked []byte
	hub.serve(protocol.SubjectsOf("h").Control(protocol.VerbMove), func(m *nats.Msg) any {
		asked = m.Data
		return phub.ChildResult{Child: "c1"}
	})
	hub.run("child", "promote", "c1").want(t, exitDone, "c1  moved", "")
	if data := string(asked); !strings.Contains(data, `"node":"node2"`) {
		t.Errorf("move request %s, want the standby's node", data)
	}
	hub.run("child", "promote", "c1", "node9").want(t, exitFailed, "", "no passive replica that runs on node9")
}
