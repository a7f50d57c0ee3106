package phub_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
)

// limitStorage sets how much the tests' account may store on disk, in bytes; -1 for any.
func limitStorage(t *testing.T, srv *natsembed.Server, most int64) {
	t.Helper()
	a, err := srv.Running().LookupAccount("TEST")
	if err != nil {
		t.Fatal(err)
	}
	limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: most, MaxStreams: -1, MaxConsumers: -1}
	if err := a.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
		t.Fatal(err)
	}
}

// TestHub_SaysThatTheStorageIsFull asks a hub for things while its account has no room, and after that.
func TestHub_SaysThatTheStorageIsFull(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1")
	h.join("node2")
	limitStorage(t, srv, 1)
	for _, child := range []string{"c1", "c2"} {
		began := time.Now()
		_, err := h.client.Start(h.ctx(20*time.Second), []phub.Spec{{Child: child, Kind: "who"}}, nil)
		took := time.Since(began)
		if !errors.Is(err, phub.ErrNotStored) || !strings.Contains(err.Error(), "err_code=10002") || took > 3*time.Second {
			t.Errorf("start %s after %v: %v; expected ErrNotStored with NATS's code, soon", child, took, err)
		}
	}
	st, err := h.client.Status(h.ctx(5 * time.Second))
	if err != nil || len(st.Trouble) == 0 || !strings.Contains(strings.Join(st.Trouble, " "), "10002") {
		t.Errorf("got %+v, %v; expected NATS's code in trouble", st, err)
	}
	limitStorage(t, srv, -1)
	h.eventually("the hub starts children again", func() bool {
		_, err := h.client.Start(h.ctx(5*time.Second), []phub.Spec{{Child: "c3", Kind: "who"}}, nil)
		return err == nil
	})
}

// TestHub_SurvivesKVEdit changes the settings of the placement bucket as `nats kv edit` does (natscli 0.5.1).
func TestHub_SurvivesKVEdit(t *testing.T) {
	t.Parallel()
	srv := natstest.Single(t)
	h := newTestHub(t, srv.URL())
	h.join("node1")
	js, err := jetstream.New(natstest.Connect(t, srv.URL()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), "KV_phub_my_hub_placement")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.Description, cfg.AllowDirect, cfg.AllowAtomicPublish = "x", true, false
	if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	h.eventually("a child is placed", func() bool {
		_, err := h.client.Start(h.ctx(5*time.Second), []phub.Spec{{Child: "c1", Kind: "who"}}, nil)
		return err == nil
	})
	h.eventually("the change is counted", func() bool {
		st, err := h.client.Status(h.ctx(5 * time.Second))
		return err == nil && st.Refused["settings"].Total == 1
	})
}

// TestHub_SaysThatJetStreamHasNoQuorum stops two of three NATS servers, and starts them again: nothing can be stored meanwhile.
func TestHub_SaysThatJetStreamHasNoQuorum(t *testing.T) {
	t.Parallel()
	cluster := natstest.Cluster(t)
	stays := cluster.Servers[0]
	h := newTestHub(t, stays.URL())
	log := &logBuffer{}
	for _, name := range []string{"node1", "node2"} {
		o := h.options(name)
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		h.joinWith(o)
	}
	h.start(pair("c0"))
	cluster.Servers[1].Stop()
	cluster.Servers[2].Stop()

	const limit = 10 * time.Second // for as long it may be an election: see docs/nats.md
	began := time.Now()
	_, err := h.client.Start(h.ctx(30*time.Second), []phub.Spec{{Child: "c1", Kind: "who"}}, nil)
	if took := time.Since(began); !errors.Is(err, phub.ErrNotStored) || took > limit+5*time.Second {
		t.Errorf("start after %v: %v; expected ErrNotStored once it can't be an election", took, err)
	}
	began = time.Now()
	_, err = h.client.Start(h.ctx(30*time.Second), []phub.Spec{{Child: "c2", Kind: "who"}}, nil)
	if took := time.Since(began); !errors.Is(err, phub.ErrNotStored) || took > limit/2 {
		t.Errorf("another start after %v: %v; expected ErrNotStored, and no other election waited for", took, err)
	}
	if st, err := h.client.Status(h.ctx(5 * time.Second)); err != nil || len(st.Trouble) == 0 {
		t.Errorf("found %+v, %v; expected what NATS does not answer in trouble", st, err)
	}
	said := strings.Count(log.String(), "NATS does not do what the hub needs")
	if said == 0 || said > 2*6 {
		t.Errorf("the log says it %d times, expected once for each node, bucket and way:\n%s", said, log)
	}
	for _, s := range cluster.Servers {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	h.eventually("the hub starts children again", func() bool {
		_, err := h.client.Start(h.ctx(5*time.Second), []phub.Spec{{Child: "c3", Kind: "who"}}, nil)
		return err == nil
	})
}
