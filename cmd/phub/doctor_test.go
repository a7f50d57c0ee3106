package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

const testAccount = "TEST"

// joinHub makes a hub of one node, for the length of the test.
func joinHub(t *testing.T, url string, change func(*phub.Options)) *phub.Node {
	t.Helper()
	o := phub.Options{Hub: "h", Name: "node1", URL: url}
	change(&o)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := phub.Join(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leave(t, n) })
	return n
}

func leave(t *testing.T, n *phub.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Leave(ctx); err != nil {
		t.Error(err)
	}
}

func fast(o *phub.Options) { o.Config.Failover = phub.FailoverFast }

// doctor runs the command, and returns what it says of each check.
func doctor(t *testing.T, url string, code int) (doctorReport, map[string]string) {
	t.Helper()
	r := phubRun(t, map[string]string{"NATS_URL": url, "PHUB_HUB": "h"}, "", "doctor", "--json")
	if r.code != code || r.err != "" {
		t.Errorf("doctor: exit code %d, want %d; stderr %q, stdout %s", r.code, code, r.err, r.out)
	}
	report := decode[doctorReport](t, r)
	if report.OK != (code == 0) {
		t.Errorf("doctor: found ok %v with exit code %d", report.OK, code)
	}
	results := map[string]string{}
	for _, c := range report.Checks {
		results[c.Name] = c.Result
		if c.Result != resultOK && c.Name != checkHub && c.Try == "" {
			t.Errorf("doctor: %s is %s (%s), and nothing is said of what to try", c.Name, c.Result, c.Found)
		}
	}
	return report, results
}

func wantResults(t *testing.T, got map[string]string, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got[want[i]] != want[i+1] {
			t.Errorf("check %s: found %q, expected %q", want[i], got[want[i]], want[i+1])
		}
	}
}

func (r *doctorReport) worst(t *testing.T, fault string) float64 {
	t.Helper()
	i := slices.IndexFunc(r.Worst, func(w worstFault) bool { return w.Fault == fault })
	if i < 0 {
		t.Fatalf("no worst case for %q in %v", fault, r.Worst)
	}
	return r.Worst[i].Takes
}

func TestDoctor_WithoutAHubOrAccess(t *testing.T) {
	t.Parallel()
	report, results := doctor(t, natstest.Single(t).URL(), exitDone)
	wantResults(t, results, checkNATS, resultNote, checkJetStream, resultOK, checkEvidence, resultOK,
		checkReports, resultNote, checkKick, resultNote, checkHub, resultNote)
	if takes := report.worst(t, "process of a node killed"); takes < 100 || takes > 500 {
		t.Errorf("a killed process takes %v ms at most, expected some hundred", takes)
	}
	if report.Closed <= 0 || report.Reported != 0 || report.Kicked != 0 {
		t.Errorf("found closed after %v ms, reported %v, kicked %v; expected the first alone", report.Closed, report.Reported, report.Kicked)
	}
}

func TestDoctor_WithAccess(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Account: testAccount, System: true})
	joinHub(t, srv.URL(), fast)
	report, results := doctor(t, srv.URL(), exitDone)
	wantResults(t, results, checkBuckets, resultOK, checkEvidence, resultOK, checkReports, resultOK, checkKick, resultOK, checkPings, resultOK, checkHub, resultOK)
	if takes := report.worst(t, "node hangs or is cut off"); takes < 500 || takes > 1000 {
		t.Errorf("a node that hangs takes %v ms at most, expected less than a second", takes)
	}
	if report.Reported <= 0 || report.Kicked <= 0 {
		t.Errorf("found reported after %v ms, kicked after %v; expected both", report.Reported, report.Kicked)
	}
}

func TestDoctor_ImpatientServersAreWrong(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Account: testAccount, Change: func(o *server.Options) {
		o.PingInterval, o.MaxPingsOut = 200*time.Millisecond, 2
	}})
	report, results := doctor(t, srv.URL(), exitFailed)
	wantResults(t, results, checkEvidence, resultOK, checkPings, resultWrong)
	i := slices.IndexFunc(report.Checks, func(c check) bool { return c.Name == checkPings })
	if found := report.Checks[i].Found; !strings.Contains(found, "gives up a client too soon") || !strings.Contains(found, "want 2s or more") {
		t.Errorf("found %q, expected what was found and what is wanted", found)
	}
	joinHub(t, srv.URL(), func(o *phub.Options) { o.Config.Failover = phub.FailoverStrict })
	_, results = doctor(t, srv.URL(), exitDone)
	wantResults(t, results, checkPings, resultNote)
}

func TestDoctor_FastWithoutAccessIsWrong(t *testing.T) {
	t.Parallel()
	url := natstest.Single(t).URL()
	n := joinHub(t, url, fast)
	before := n.View()
	report, results := doctor(t, url, exitFailed)
	wantResults(t, results, checkKick, resultWrong, checkReports, resultNote, checkHub, resultOK)
	if takes := report.worst(t, "node hangs or is cut off"); takes < 2000 {
		t.Errorf("without access a node that hangs takes %v ms at most, expected the lease", takes)
	}
	r := phubRun(t, map[string]string{"NATS_URL": url, "PHUB_HUB": "h"}, "", "doctor")
	for _, want := range []string{"WRONG  the hub has failover fast", "docs/nats.md#access-to-the-system-account", "WORST CASE", "\nn: other nodes; W: a write;", "hub h: 1 node, failover fast"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("found no %q in\n%s", want, r.out)
		}
	}
	if n.View() != before || !n.Coordinator() {
		t.Errorf("found view %d, coordinator %v after the examination, expected view %d and the coordinator, as before it", n.View(), n.Coordinator(), before)
	}
}

func TestDoctor_ThreeServers(t *testing.T) {
	t.Parallel()
	c := natstest.ClusterWith(t, natsembed.Config{Account: testAccount, System: true})
	n := joinHub(t, c.URL(), func(*phub.Options) {})
	report, results := doctor(t, c.URL(), exitDone)
	wantResults(t, results, checkNATS, resultOK, checkBuckets, resultOK, checkKick, resultOK, checkHub, resultOK)
	if takes := report.worst(t, "NATS server dies"); takes <= 0 || takes > 1000 {
		t.Errorf("the loss of a server takes %v ms at most, expected some", takes)
	}
	leave(t, n)
	_, results = doctor(t, c.URL(), exitFailed)
	wantResults(t, results, checkHub, resultWrong)
}

func TestDoctor_OneServerThatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	const different = "phub-2"
	c := natstest.ClusterWith(t, natsembed.Config{Name: "phub", Account: testAccount, Change: func(o *server.Options) {
		if o.ServerName == different {
			o.PingInterval, o.MaxPingsOut = 200*time.Millisecond, 2
		}
	}})
	i := slices.IndexFunc(c.Servers, func(s *natsembed.Server) bool { return s.Name() != different })
	report, results := doctor(t, c.Servers[i].URL(), exitFailed)
	wantResults(t, results, checkNATS, resultOK, checkEvidence, resultOK, checkPings, resultWrong)
	i = slices.IndexFunc(report.Checks, func(c check) bool { return c.Name == checkPings })
	if found := report.Checks[i].Found; !strings.Contains(found, "gives up a client too soon") || !strings.Contains(found, " at "+different+": ") {
		t.Errorf("found %q, expected that it is server %s", found, different)
	}
}

func TestDoctor_TooFewReplicasAreWrong(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	joinHub(t, c.URL(), func(o *phub.Options) { o.Replicas = 1 })
	report, results := doctor(t, c.URL(), exitFailed)
	wantResults(t, results, checkBuckets, resultWrong)
	i := slices.IndexFunc(report.Checks, func(c check) bool { return c.Name == checkBuckets })
	if want := "nats stream edit KV_phub_h_nodes --replicas 3"; report.Checks[i].Try != want {
		t.Errorf("found %q to try, expected %q", report.Checks[i].Try, want)
	}
}

// NATS says that it did what it was asked for, and goes on with one server fewer than the bucket is configured for.
func TestDoctor_AServerTakenAwayFromABucketIsWrong(t *testing.T) {
	t.Parallel()
	c := natstest.ClusterWith(t, natsembed.Config{Name: "phub", Account: testAccount, Change: func(o *server.Options) {
		sys := server.NewAccount("SYS")
		o.SystemAccount, o.Accounts = sys.Name, append(o.Accounts, sys)
		o.Users = append(o.Users, &server.User{Username: "sys", Password: "sys", Account: sys})
	}})
	joinHub(t, c.URL(), func(*phub.Options) {})
	js, err := jetstream.New(natstest.Connect(t, c.URL()))
	if err != nil {
		t.Fatal(err)
	}
	info := func() *jetstream.StreamInfo {
		s, err := js.Stream(t.Context(), "KV_phub_h_nodes")
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo()
	}
	order, err := json.Marshal(map[string]string{"peer": info().Cluster.Replicas[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	system := natstest.Connect(t, c.Servers[0].URL(), nats.UserInfo("sys", "sys"))
	if m, err := system.Request("$JS.API.SERVER.EVACUATE", order, 10*time.Second); err != nil || !strings.Contains(string(m.Data), `"success":true`) {
		t.Fatalf("found %+v, %v, expected that the server is taken away", m, err)
	}
	for end := time.Now().Add(20 * time.Second); len(info().Cluster.Replicas) > 1 || info().Cluster.Leader == ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("found %+v, expected a leader and one replica", info().Cluster)
		}
	}
	report, results := doctor(t, c.URL(), exitFailed)
	wantResults(t, results, checkBuckets, resultWrong)
	i := slices.IndexFunc(report.Checks, func(c check) bool { return c.Name == checkBuckets })
	if found := report.Checks[i].Found; !strings.HasPrefix(found, "bucket phub_h_nodes is kept by 2 servers, and is configured for 3") {
		t.Errorf("found %q", found)
	}
}

func TestDoctor_WithoutJetStreamOrTheRightToAsk(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.JetStream = false }})
	report, results := doctor(t, srv.URL(), exitFailed)
	wantResults(t, results, checkJetStream, resultWrong, checkEvidence, resultOK)
	if len(report.Worst) != 0 {
		t.Errorf("found %v, expected no worst case of a hub that can't be there", report.Worst)
	}
	r := phubRun(t, map[string]string{"NATS_URL": srv.URL()}, "", "doctor")
	r.want(t, exitFailed, "JetStream: found a NATS server without JetStream, expected JetStream enabled\n         start the server with `nats-server -js`\n", "")
	if strings.Contains(r.out, "WORST") || strings.Contains(r.out, "R:") {
		t.Errorf("found a table of worst cases in\n%s", r.out)
	}

	denied := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "u", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Deny: []string{"$SYS.>"}},
		}}}
		o.NoAuthUser = "u"
	}})
	report, results = doctor(t, denied.URL(), exitFailed)
	wantResults(t, results, checkEvidence, resultWrong, checkJetStream, resultOK)
	if takes := report.worst(t, "process of a node killed"); takes < 2000 {
		t.Errorf("without proof a killed process takes %v ms at most, expected the lease", takes)
	}
}
