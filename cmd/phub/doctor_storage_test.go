package main

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

func TestDoctor_StorageThatIsFullIsWrong(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Account: testAccount})
	joinHub(t, srv.URL(), func(*phub.Options) {})
	_, results := doctor(t, srv.URL(), exitDone)
	wantResults(t, results, checkStorage, resultOK, checkHub, resultOK)
	a, err := srv.Running().LookupAccount(testAccount)
	if err != nil {
		t.Fatal(err)
	}
	limit := func(most int64) {
		limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: most, MaxStreams: -1, MaxConsumers: -1}
		if err := a.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	phubRun(t, map[string]string{"NATS_URL": srv.URL(), "PHUB_HUB": "h"}, "", "child", "start", "c1", "-k", "echo")
	report, results := doctor(t, srv.URL(), exitFailed)
	wantResults(t, results, checkStorage, resultWrong, checkTrouble, resultWrong)
	said := ""
	for _, c := range report.Checks {
		said += c.Found + "\n"
	}
	if !strings.Contains(said, "of 1 B: NATS refuses") || !strings.Contains(said, "err_code=10002") {
		t.Errorf("found %s; expected the limit, and NATS's code", said)
	}
	limit(-1) // so that the node can leave in order
}

func TestCheckStorage_ByTier(t *testing.T) {
	t.Parallel()
	d := diagnosis{x: &phub.Examination{Storage: []phub.StorageFinding{
		{Used: 5 << 20, Limit: -1}, {Tier: "R1", Used: 79, Limit: 100}, {Tier: "R3", Used: 80, Limit: 100}, {Tier: "R5", Used: 95 << 20, Limit: 100 << 20}, {Used: 0, Limit: 0},
	}}}
	want := []check{
		{Result: resultOK, Found: "the account stores 5.0 MiB, and has no limit"},
		{Result: resultOK, Found: "the account, streams R1, stores 79 B of 100 B"},
		{Result: resultNote, Found: "the account, streams R3, stores 80 B of 100 B"},
		{Result: resultWrong, Found: "the account, streams R5, stores 95.0 MiB of 100.0 MiB"},
		{Result: resultWrong, Found: "the account stores 0 B of 0 B"},
	}
	for i, c := range d.checkStorage() {
		if c.Result != want[i].Result || !strings.HasPrefix(c.Found, want[i].Found) || (c.Try == "") != (c.Result == resultOK) {
			t.Errorf("found %+v, expected %+v", c, want[i])
		}
	}
}

// TestDoctor_JetStreamWithoutALeader lets a responder stand in for JetStream's API.
func TestDoctor_JetStreamWithoutALeader(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.JetStream = false }})
	nc := natstest.Connect(t, srv.URL())
	_, err := nc.Subscribe("$JS.API.INFO", func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"type":"io.nats.jetstream.api.v1.account_info_response","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`))
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	report, results := doctor(t, srv.URL(), exitFailed)
	wantResults(t, results, checkJetStream, resultWrong)
	for _, c := range report.Checks {
		if c.Name == checkJetStream && (!strings.Contains(c.Found, "no leader") || !strings.Contains(c.Try, "bring back")) {
			t.Errorf("found %+v, expected that servers are missing", c)
		}
	}
}
