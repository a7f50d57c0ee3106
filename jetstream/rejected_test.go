package jetstream_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
)

func wantRejected(t *testing.T, err error, parts ...string) {
	t.Helper()
	if !errors.Is(err, coordinator.ErrRejected) {
		t.Errorf("%v: want an ErrRejected", err)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%v: does not say %q", err, p)
		}
	}
}

// limitStorage sets how much the account ON may store on disk, in bytes; -1 for any.
func limitStorage(t *testing.T, srv *natsembed.Server, most int64) {
	t.Helper()
	on, err := srv.Running().LookupAccount("ON")
	if err != nil {
		t.Fatal(err)
	}
	if err := on.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": {MaxMemory: -1, MaxStore: most, MaxStreams: 4, MaxConsumers: -1}}); err != nil {
		t.Fatal(err)
	}
}

// TestSession_SaysThatTheStorageIsFull has an account whose limit is below what it stores.
func TestSession_SaysThatTheStorageIsFull(t *testing.T) {
	t.Parallel()
	srv := withAccounts(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL(), nats.UserInfo("on", "pw"))})
	rev, err := s.WriteSpecs(t.Context(), []view.Write{{Key: "c1", Value: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	limitStorage(t, srv, 1)
	_, err = s.WriteSpecs(t.Context(), []view.Write{{Key: "c1", Value: []byte("y"), Last: rev}})
	wantRejected(t, err, "write to bucket phub_h_children", "err_code=10002")
	limitStorage(t, srv, -1)
	if _, err := s.WriteSpecs(t.Context(), []view.Write{{Key: "c1", Value: []byte("y"), Last: rev}}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestSession_SaysWhatItMayNotPublish has a user who may make the buckets, and not write to one of them.
func TestSession_SaysWhatItMayNotPublish(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		o.Users = []*server.User{{Username: "u", Password: "pw", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$KV.phub_h_children.>"}}}}}
	}})
	log := &lines{}
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL(), nats.UserInfo("u", "pw")), Logger: slog.New(slog.NewTextHandler(log, nil))})
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := s.WriteSpecs(ctx, []view.Write{{Key: "c1", Value: []byte("x")}})
		cancel()
		wantRejected(t, err, "$KV.phub_h_children.c1", "ermission")
	}
	if told := log.with("$KV.phub_h_children.c1"); len(told) != 1 {
		t.Errorf("the log says it %d times, expected once: %q", len(told), told)
	}
	if _, err := s.Commit(t.Context(), []view.Write{{Key: "_view", Value: []byte("x")}}); err != nil {
		t.Errorf("another bucket: %v", err)
	}
}

// TestControl_WithoutACoordinatorSaysWhatNATSRefuses asks a node of a hub that has none, because nobody can write who it is.
func TestControl_WithoutACoordinatorSaysWhatNATSRefuses(t *testing.T) {
	t.Parallel()
	srv := withAccounts(t)
	on := nats.UserInfo("on", "pw")
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL(), on)})
	if err := s.Serve(t.Context(), deaf{}); err != nil {
		t.Fatal(err)
	}
	rev, err := s.Commit(t.Context(), []view.Write{{Key: "_view", Value: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	limitStorage(t, srv, 1)
	_, err = s.Commit(t.Context(), []view.Write{{Key: "_view", Value: []byte("y"), Last: rev}})
	wantRejected(t, err, "err_code=10002")
	began := time.Now()
	m, err := natstest.Connect(t, srv.URL(), on).Request("phub.h.ctl.status", nil, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "508" || !strings.Contains(string(m.Data), "err_code=10002") || time.Since(began) > 3*time.Second {
		t.Errorf("found %s, %s after %v; expected 508 with NATS's code after a second", code, m.Data, time.Since(began))
	}
}
