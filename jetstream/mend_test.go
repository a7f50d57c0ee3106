package jetstream_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	counter "github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/jetstream"
	"github.com/phub-io/phub/protocol"
)

const placementStream = "KV_phub_h_placement"

// edit changes the configuration of hub h's placement bucket, as somebody else.
func edit(t *testing.T, url string, change func(*natsjs.StreamConfig)) {
	t.Helper()
	cfg := configOf(t, url)
	change(&cfg)
	if _, err := streams(t, url).UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func streams(t *testing.T, url string) natsjs.JetStream {
	t.Helper()
	js, err := natsjs.New(natstest.Connect(t, url))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func configOf(t *testing.T, url string) natsjs.StreamConfig {
	t.Helper()
	s, err := streams(t, url).Stream(t.Context(), placementStream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

// kvEdit does what `nats kv edit --description x` does to a bucket (natscli 0.5.1).
func kvEdit(c *natsjs.StreamConfig) {
	c.Description, c.AllowDirect, c.AllowAtomicPublish = "x", true, false
}

// commitTwo stores a batch.
func commitTwo(t *testing.T, s *jetstream.Session) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	key := nuid.Next()
	_, err := s.Commit(ctx, []view.Write{{Key: key + ".a", Value: []byte("1")}, {Key: key + ".b", Value: []byte("2")}})
	return err
}

func TestSession_PutsBackSettingsThatSomebodyChanged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(*natsjs.StreamConfig)
		refusal string
	}{
		"nats kv edit": {kvEdit, "err_code=10174"},
		"max_msg_size": {func(c *natsjs.StreamConfig) { c.MaxMsgSize = 1 }, "err_code=10054"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := natstest.Single(t)
			log, counts := &lines{}, &counter.Counter{}
			s := open(t, jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL()), Logger: slog.New(slog.NewTextHandler(log, nil)), Refused: counts})
			if err := commitTwo(t, s); err != nil {
				t.Fatal(err)
			}
			edit(t, srv.URL(), c.change)
			wantRejected(t, commitTwo(t, s), c.refusal)
			eventually(t, "batches are stored again", func() bool { return commitTwo(t, s) == nil })
			if have := configOf(t, srv.URL()); have.AllowDirect || !have.AllowAtomicPublish || have.MaxMsgSize != -1 || have.RePublish == nil {
				t.Errorf("found %+v, expected the settings of before", have)
			}
			if told := log.with("put back"); len(told) != 1 {
				t.Errorf("the log says it %d times: %q", len(told), told)
			}
			if n := counts.Counts()[protocol.ReasonSettings]; n != 1 {
				t.Errorf("counted %d changes, expected 1", n)
			}
		})
	}
}

func TestOpen_PutsBackSettingsThatSomebodyChanged(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	cfg := jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL()), Logger: slog.New(slog.DiscardHandler)}
	open(t, cfg).Close()
	edit(t, srv.URL(), kvEdit)
	if err := commitTwo(t, open(t, cfg)); err != nil {
		t.Errorf("a batch after Open: %v", err)
	}
}

// TestOpen_SaysHowToPutSettingsBack has a user who may not.
func TestOpen_SaysHowToPutSettingsBack(t *testing.T) {
	t.Parallel()
	srv := natstest.SingleWith(t, natsembed.Config{Change: func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "admin", Password: "pw"},
			{Username: "node", Password: "pw", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.UPDATE.>"}}}},
		}
	}})
	cfg := jetstream.Config{Hub: "h", Node: "n", Dial: dial(srv.URL(), nats.UserInfo("node", "pw")), Logger: slog.New(slog.DiscardHandler)}
	open(t, cfg).Close()
	js, err := natsjs.New(natstest.Connect(t, srv.URL(), nats.UserInfo("admin", "pw")))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), placementStream)
	if err != nil {
		t.Fatal(err)
	}
	changed := stream.CachedInfo().Config
	kvEdit(&changed)
	if _, err := js.UpdateStream(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, refused(t, cfg), "allow_direct true", "$JS.API.STREAM.UPDATE."+placementStream, "nats stream edit")
}
