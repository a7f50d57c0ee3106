package jetstream

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// serverOf runs a server with a configuration file, for the length of the test. The options have the ports that it took.
func serverOf(t *testing.T, config string) (url string, opts *server.Options) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opts.NoLog, opts.NoSigs = true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not take connections within 10s")
	}
	return s.ClientURL(), opts
}

// connectedTo returns a session with nothing but its connection.
func connectedTo(t *testing.T, url, user string) *Session {
	t.Helper()
	dial := func(o ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(url, append([]nats.Option{nats.UserInfo(user, user)}, o...)...)
	}
	x := examiner{hub: "h", dial: dial}
	s, err := x.spare(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestConnected_BehindALeafNode has a node connected to a leaf node, in an account of another name than the hub's, where
// that name is another account's: its server answers for both.
func TestConnected_BehindALeafNode(t *testing.T) {
	t.Parallel()
	hub, opts := serverOf(t, `
		listen: "127.0.0.1:-1", server_name: hub
		accounts { APP { users: [ {user: app, password: app} ] }, SYS { users: [ {user: sys, password: sys} ] } }
		system_account: SYS
		leafnodes { listen: "127.0.0.1:-1" }`)
	leaf, _ := serverOf(t, fmt.Sprintf(`
		listen: "127.0.0.1:-1", server_name: leaf
		accounts { EDGE { users: [ {user: edge, password: edge} ] }, APP {}, SYS { users: [ {user: sys, password: sys} ] } }
		system_account: SYS
		leafnodes { remotes: [ { url: "nats://app:app@127.0.0.1:%[1]d", account: EDGE }, { url: "nats://sys:sys@127.0.0.1:%[1]d", account: SYS } ] }`,
		opts.LeafNode.Port))
	node, asker := connectedTo(t, leaf, "edge"), connectedTo(t, hub, "app")
	for deadline := time.Now().Add(20 * time.Second); !saysBoth(t, asker, node.conn); {
		if time.Now().After(deadline) {
			t.Fatal("the leaf node does not answer for both accounts within 20s")
		}
	}
	// Which answer comes first is a matter of chance, and a machine that is busy may hold up the other for longer than is
	// waited for.
	const tries, most = 50, 5
	closed := 0
	for range tries {
		switch e, err := asker.Connected(t.Context(), node.conn); {
		case err != nil:
			t.Fatal(err)
		case e != view.Open:
			closed++
		}
	}
	if closed > most {
		t.Errorf("found the connection closed %d times in %d, expected it to be open but for %d", closed, tries, most)
	}
}

// saysBoth reports whether a connection's server says both that it is open and that it is closed.
func saysBoth(t *testing.T, s *Session, c protocol.Conn) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	inbox := s.nc.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only on a closed connection
	if err := s.nc.PublishRequest(connectionsSubject, inbox, fmt.Appendf(nil, `{"cid":%d,"state":0}`, c.Client)); err != nil {
		t.Fatal(err)
	}
	found := map[view.Evidence]bool{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return found[view.Open] && found[view.Closed]
		}
		found[judge(c, m.Data).evidence] = true
	}
}
