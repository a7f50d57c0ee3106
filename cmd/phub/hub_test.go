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

func TestHubSet(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	var asked protocol.SetRequest
	hub.serve(hub.subjects.Control(protocol.VerbSet), func(m *nats.Msg) any {
		hub.check(json.Unmarshal(m.Data, &asked))
		if asked.Config.Lease != 0 {
			return &nats.Msg{Header: nats.Header{protocol.HeaderErrorCode: {"400"}}, Data: []byte(`{"code":400,"message":"lease: found 3s"}`)}
		}
		return protocol.SetResponse{Config: asked.Config.WithDefaults(), Done: true}
	})
	hub.run("hub", "set", "balance=off", "factor=3", "probe=50ms").want(t, exitDone, "changed: redundancy.strategy, redundancy.replication_factor, probe, balance\n", "")
	if c := asked.Config; c.Balance != phub.BalanceOff || c.Redundancy.Factor != 3 || c.Probe.Std().String() != "50ms" || c.Failover != "" || asked.Revision != 1 {
		t.Errorf("asked for %+v", asked)
	}
	hub.run("hub", "set", "balance=on").wantExactly(t, exitDone, "as it was\n", "")
	if c := decode[phub.Config](t, hub.run("hub", "set", "balance=off", "--json")); c.Balance != phub.BalanceOff {
		t.Errorf("got %+v", c)
	}
	hub.run("hub", "set", "lease=3s").want(t, exitFailed, "", "lease: found 3s")
	for arg, says := range map[string]string{
		"balance=odd": `balance: found "odd", want on or off`, "odd=1": `found the setting "odd", want balance, factor`, "balance": "want KEY=VALUE",
		"lease=3": `lease: found "3", want a time`, "factor=0": "found \"0\"", "model=": `model: found ""`,
	} {
		hub.run("hub", "set", arg).want(t, exitUsage, "", says)
	}
	hub.run("hub", "set").want(t, exitUsage, "", "")
}

func TestHubExportAndImport(t *testing.T) {
	t.Parallel()
	hub := newFakeHub(t)
	hub.control(protocol.VerbStatus, phub.Status{Hub: "h", Config: protocol.Config{}.WithDefaults()})
	var list protocol.ListResponse
	for _, name := range []string{"c1", "c2"} {
		spec := phub.Spec{Child: name, Kind: "counter"}.WithDefaults(phub.Redundancy{})
		list.Children = append(list.Children, phub.ChildInfo{Child: name, Spec: spec})
	}
	hub.control(protocol.VerbList, list)
	r := hub.run("hub", "export")
	r.want(t, exitDone, "hub: h\n", "")
	r.want(t, exitDone, "    - v: 1\n      child: c1\n      kind: counter\n", "")
	if x := decode[phub.Export](t, hub.run("hub", "export", "--json")); x.Hub != "h" || len(x.Children) != 2 || x.Config.Lease == 0 {
		t.Errorf("exported %+v", x)
	}
	file := filepath.Join(t.TempDir(), "hub.yaml")
	hub.check(os.WriteFile(file, []byte(r.out), 0o600))
	hub.run("hub", "import", file).wantExactly(t, exitDone, "0 started, 0 changed, 2 as they were; 0 settings changed\n", "")

	changed := strings.Replace(strings.Replace(r.out, "balance: on", "balance: off", 1), "kind: counter", "kind: echo", 1)
	changed = strings.Replace(changed, "child: c2", "child: c3", 1)
	hub.check(os.WriteFile(file, []byte(changed), 0o600))
	hub.run("hub", "import", file).want(t, exitFailed, "", "setting balance; child c1: kind counter → echo")
	r = hub.run("hub", "import", file, "--dry-run")
	r.want(t, exitDone, "set     balance\nstart   c3\nchange  c1  kind counter → echo\nto start: 1, to change: 1, as they are: 0; settings to change: 1\n", "")
	if plan := decode[phub.ImportPlan](t, hub.run("hub", "import", file, "--dry-run", "--json")); len(plan.Set) != 1 || len(plan.Start) != 1 {
		t.Errorf("planned %+v", plan)
	}
	hub.check(os.WriteFile(file, []byte("children: []\nconfig: {lease: 1m, authority: 5m}\n"), 0o600))
	hub.run("hub", "import", file, "--replace").want(t, exitFailed, "", "start the first node of a new hub with that setting")
	hub.check(os.WriteFile(file, []byte("odd: 1\n"), 0o600))
	hub.run("hub", "import", file).want(t, exitUsage, "", "children: found none")
	phubRun(t, map[string]string{"NATS_URL": hub.url, "PHUB_HUB": "h"}, "children: []\n", "hub", "import", "-").want(t, exitDone, "0 started", "")
}

func TestHubRm(t *testing.T) {
	t.Parallel()
	hub := lively(t)
	hub.run("hub", "rm", "h").want(t, exitUsage, "", "found no --yes")
	hub.run("hub", "rm", "h", "--yes").want(t, exitFailed, "", "hub h lives; nothing was deleted: nodes answer")
	hub.run("hub", "rm", "nobodys", "--yes").want(t, exitFailed, "", "there is no hub nobodys")
	hub.run("hub", "rm", "a b", "--yes").want(t, exitUsage, "", "hub: found")
}
