package jetstream_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

// refused opens a session, which must not work, and returns why.
func refused(t *testing.T, cfg jetstream.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := jetstream.Open(ctx, cfg)
	if err == nil {
		s.Close()
		t.Fatal("the session was opened")
	}
	return err
}

func wantPermanent(t *testing.T, err error, parts ...string) {
	t.Helper()
	if !errors.Is(err, coordinator.ErrPermanent) {
		t.Errorf("%v: want an ErrPermanent", err)
	}
	for _, p := range append(parts, "found ", "expected ", "try: ") {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%v: does not say %q", err, p)
		}
	}
}

func TestOpen_SaysThatJetStreamIsOff(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.JetStream = false }})
	wantPermanent(t, refused(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())}), "JetStream")
}

// accounts configures a user of an account with JetStream, a user of one without, and one who may ask
// for JetStream but make no streams.
func accounts(o *server.Options) {
	on, off := server.NewAccount("ON"), server.NewAccount("OFF")
	o.Accounts = []*server.Account{on, off}
	o.Users = []*server.User{
		{Username: "on", Password: "pw", Account: on},
		{Username: "off", Password: "pw", Account: off},
		{Username: "reader", Password: "pw", Account: on, Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.CREATE.>"}}}},
	}
}

func withAccounts(t *testing.T) *natsembed.Server {
	t.Helper()
	srv := natstest.SingleWith(t, natsembed.Config{Change: accounts})
	on, err := srv.Running().LookupAccount("ON")
	if err != nil {
		t.Fatal(err)
	}
	if err := on.EnableJetStream(map[string]server.JetStreamAccountLimits{"": {MaxMemory: -1, MaxStore: -1, MaxStreams: 4, MaxConsumers: -1}}, nil); err != nil {
		t.Fatal(err)
	}
	return srv
}

func TestOpen_SaysWhatTheAccountLacks(t *testing.T) {
	t.Parallel()
	srv := withAccounts(t)
	as := func(user string) jetstream.Config {
		return jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL(), nats.UserInfo(user, "pw"))}
	}
	wantPermanent(t, refused(t, as("off")), "account", "JetStream")
	begin := time.Now()
	wantPermanent(t, refused(t, as("reader")), "permission", "$JS.API.STREAM.CREATE.KV_phub_h_nodes")
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("a missing permission was reported after %v", d)
	}
	wantPermanent(t, refused(t, as("stranger")), "credentials")
	s := open(t, as("on"))
	if e, err := s.Connected(t.Context(), s.Conn()); e != view.Open || err != nil {
		t.Errorf("a living connection in a named account: %v, %v", e, err)
	}
	gone := open(t, as("on"))
	if err := srv.Disconnect(gone.Conn().Client); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead connection in a named account is closed", func() bool {
		e, err := s.Connected(t.Context(), gone.Conn())
		return err == nil && e == view.Closed
	})
	other := as("on")
	other.Hub = "other"
	wantPermanent(t, refused(t, other), "maximum number of streams") // 4 are allowed
}

// TestOpen_SaysThatTheServerIsTooOld lets a responder stand in for JetStream's API.
func TestOpen_SaysThatTheServerIsTooOld(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) { o.JetStream = false }})
	nc := natstest.Connect(t, srv.URL())
	_, err := nc.Subscribe("$JS.API.INFO", func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"type":"io.nats.jetstream.api.v1.account_info_response","api":{"level":1}}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, refused(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())}), "2.12", "level 1")
}

func TestOpen_NamesTheSettingThatDiffers(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	js, err := natsjs.New(natstest.Connect(t, srv.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(t.Context(), natsjs.KeyValueConfig{Bucket: "phub_h_nodes"}); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, refused(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())}), "phub_h_nodes", "allow_direct true", "allow_direct false")
	wantPermanent(t, refused(t, jetstream.Config{Hub: "i", Node: "n", Dial: dial(srv.URL()), Replicas: 3}), "servers", "--bucket-replicas 1")
}

func TestOpen_NobodyThereIsNotPermanent(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	srv.Stop()
	err := refused(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
	if errors.Is(err, coordinator.ErrPermanent) {
		t.Errorf("%v: want an error that passes", err)
	}
}

func TestOpen_ManyAtOnceMakeOneSetOfBuckets(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := jetstream.Open(t.Context(), jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestSession_SaysThatABucketIsGoneAndOpenMakesItAgain(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	cfg := jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL())}
	s := open(t, cfg)
	js, err := natsjs.New(natstest.Connect(t, srv.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteKeyValue(t.Context(), "phub_h_placement"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Since(t.Context(), protocol.PlacementBucket, 0); err == nil || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("read of a deleted bucket: %v", err)
	}
	if _, err := s.Commit(t.Context(), []view.Write{{Key: "k"}}); !errors.Is(err, coordinator.ErrNoResponders) || !strings.Contains(err.Error(), "deleted") {
		t.Errorf("write to a deleted bucket: %v", err)
	}
	cfg.Known = true
	open(t, cfg)
	eventually(t, "the bucket is made again", func() bool {
		_, err := s.Commit(t.Context(), []view.Write{{Key: "k"}})
		return err == nil
	})
}

// TestSession_EndsWithItsServer stops one server of a cluster: its session is closed, and a new one at
// another server goes on with what was stored.
func TestSession_EndsWithItsServer(t *testing.T) {
	t.Parallel()
	c := natstest.Cluster(t)
	s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(c.Servers[0].URL())})
	rev, err := s.Commit(t.Context(), []view.Write{{Key: "k", Value: []byte("1")}})
	if err != nil {
		t.Fatal(err)
	}
	c.Servers[0].Stop()
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the session did not end with its server")
	}
	begin := time.Now()
	again := open(t, jetstream.Config{Hub: "h", Node: "n", Known: true, Dial: dial(c.URL(), nats.DontRandomize())})
	if d := time.Since(begin); d > time.Second {
		t.Errorf("opening again took %v", d)
	}
	eventually(t, "the new session commits", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := again.Commit(ctx, []view.Write{{Key: "k", Value: []byte("2"), Last: rev}})
		return err == nil || errors.Is(err, coordinator.ErrConflict) // by a write whose answer was lost
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if e, err := again.Connected(ctx, s.Conn()); e != view.Unknown || err != nil {
		t.Errorf("connection of a server that is gone: %v, %v", e, err)
	}
}
