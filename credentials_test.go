package phub_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/protocol"
)

// credentials is a file with a user's credentials, as an operator issues them.
type credentials struct {
	t       *testing.T
	account *natstest.Account
	file    string
}

// renew writes credentials that are good for some time; 0: for ever.
func (c *credentials) renew(d time.Duration) {
	c.t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		c.t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		c.t.Fatal(err)
	}
	seed, err := key.Seed()
	if err != nil {
		c.t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public)
	if d > 0 {
		claims.Expires = time.Now().Add(d).Unix()
	}
	data, err := jwt.FormatUserConfig(natstest.Encoded(c.t, claims, c.account.Key), seed)
	if err != nil {
		c.t.Fatal(err)
	}
	next := c.file + ".next"
	if err := errors.Join(os.WriteFile(next, data, 0o600), os.Rename(next, c.file)); err != nil {
		c.t.Fatal(err)
	}
}

// operatorHub is a hub on a server that wants credentials, and what the nodes log in with.
func operatorHub(t *testing.T) (*testHub, *nats.Conn, *natsembed.Server, *credentials) {
	t.Helper()
	o := natstest.NewOperator(t, nil)
	app := o.NewAccount()
	o.Store(app, "APP", func(c *jwt.AccountClaims) {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit}
	})
	srv := natstest.SingleWith(t, natsembed.Config{Change: o.Configure})
	mine := &credentials{t, app, filepath.Join(t.TempDir(), "client.creds")}
	mine.renew(0)
	nc := natstest.Connect(t, srv.URL(), nats.UserCredentials(mine.file))
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		t.Fatal(err)
	}
	h := &testHub{t: t, name: "my_hub", url: srv.URL(), client: client, nodes: map[string]*phub.Node{}}
	return h, nc, srv, &credentials{t, app, filepath.Join(t.TempDir(), "node.creds")}
}

// connection returns the number of a node's connection at the server; 0 if there is none.
func connection(t *testing.T, srv *natsembed.Server, node string) uint64 {
	t.Helper()
	all, err := srv.Running().Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	newest := uint64(0)
	for _, c := range all.Conns {
		if strings.HasSuffix(c.Name, " "+node) {
			newest = max(newest, c.Cid)
		}
	}
	return newest
}

// Credentials that are renewed in their file, before those with which the node is connected expire: it connects again with the new ones, and
// a client sees nothing of it.
func TestCredentials_RenewedInTime(t *testing.T) {
	t.Parallel()
	h, nc, srv, creds := operatorHub(t)
	creds.renew(6 * time.Second)
	expired := time.Now().Add(6 * time.Second)
	o := h.options("node1")
	o.NATS = []nats.Option{nats.UserCredentials(creds.file)}
	h.joinWith(o)
	h.start(phub.Spec{Child: "c", Kind: "who"})
	before, first := status(h), connection(t, srv, "node1")
	stop, failed := make(chan struct{}), make(chan []error, 1)
	go func() { failed <- askUntil(nc, stop) }()
	creds.renew(time.Hour)
	h.eventually("the node connects again", func() bool { return connection(t, srv, "node1") != first })
	time.Sleep(time.Until(expired) + 2*time.Second) // until the first credentials have expired for sure
	close(stop)
	if errs := <-failed; len(errs) > 0 {
		t.Errorf("%d requests failed, the first: %v", len(errs), errs[0])
	}
	if after := status(h); after.View != before.View || after.Coordinator != before.Coordinator {
		t.Errorf("there was view %d of %v, and is view %d of %v", before.View, before.Coordinator, after.View, after.Coordinator)
	}
}

// Credentials that are renewed too late: the server closes the connection, and the node tries until it gets in. It is the same
// incarnation, and serves again.
func TestCredentials_RenewedTooLate(t *testing.T) {
	t.Parallel()
	h, nc, srv, creds := operatorHub(t)
	creds.renew(3 * time.Second)
	o := h.options("node1")
	o.NATS = []nats.Option{nats.UserCredentials(creds.file)}
	h.joinWith(o)
	h.start(phub.Spec{Child: "c", Kind: "who"})
	before := status(h)
	h.eventually("the server closes the connection", func() bool { return connection(t, srv, "node1") == 0 })
	if err := ask(nc, time.Second); err == nil {
		t.Error("a node whose credentials have expired answers")
	}
	creds.renew(time.Hour)
	h.eventually("the child is served again", func() bool { return ask(nc, time.Second) == nil })
	if after := status(h); after.View != before.View || after.Coordinator != before.Coordinator {
		t.Errorf("there was view %d of %v, and is view %d of %v", before.View, before.Coordinator, after.View, after.Coordinator)
	}
}

func status(h *testHub) phub.Status {
	h.t.Helper()
	var s phub.Status
	h.eventually("the hub says how it is", func() (ok bool) {
		var err error
		s, err = h.client.Status(h.ctx(time.Second))
		return err == nil
	})
	return s
}

// ask asks the child once.
func ask(nc *nats.Conn, d time.Duration) error {
	m, err := nc.Request(protocol.SubjectsOf("my_hub").Request("c"), []byte("x"), d)
	if err != nil {
		return err
	}
	if code := m.Header.Get(protocol.HeaderErrorCode); code != "" {
		return fmt.Errorf("error %s: %s", code, m.Header.Get(protocol.HeaderError))
	}
	return nil
}

// askUntil asks the child again and again, and returns what failed.
func askUntil(nc *nats.Conn, stop <-chan struct{}) (failed []error) {
	for {
		select {
		case <-stop:
			return failed
		default:
			if err := ask(nc, 5*time.Second); err != nil {
				failed = append(failed, err)
			}
		}
	}
}
