package phub_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natstest"
	"github.com/phub-io/phub/permissions"
)

// users are one of each list for hub h, and of some for hub i.
func users(t *testing.T) map[string]permissions.Permissions { return usersIn(t, "") }

// usersIn are such users for a hub in a JetStream domain.
func usersIn(t *testing.T, domain string) map[string]permissions.Permissions {
	t.Helper()
	of := func(o permissions.Options, lists ...permissions.List) permissions.Permissions {
		o.Domain = domain
		p, err := permissions.Of(o, lists...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return map[string]permissions.Permissions{
		"asks":     of(permissions.Options{Hub: "h"}, permissions.Asks),
		"second":   of(permissions.Options{Hub: "h", InboxPrefix: "_INBOX_h.second"}, permissions.Asks),
		"operates": of(permissions.Options{Hub: "h"}, permissions.Operates),
		"watches":  of(permissions.Options{Hub: "h"}, permissions.Watches),
		"node":     of(permissions.Options{Hub: "h"}, permissions.Node),
		"later":    of(permissions.Options{Hub: "h", NoCreate: true}, permissions.Node),
		"other":    of(permissions.Options{Hub: "i"}, permissions.Node),
		"all":      of(permissions.Options{Hub: "h"}, permissions.Asks, permissions.Operates, permissions.Watches),
	}
}

// inEachMode runs a test with a server in configuration mode, and with one in operator mode.
func inEachMode(t *testing.T, f func(t *testing.T, u *natstest.Users)) {
	t.Helper()
	for _, mode := range slices.Sorted(maps.Keys(natstest.UserModes)) {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, natstest.UserModes[mode](t, users(t)))
		})
	}
}

// mayPublish lists subjects with the users that may publish to them; mayHear those who may subscribe. Nobody else may.
var (
	mayPublish = map[string]string{
		"phub.h.req.c":                              "asks second all",
		"phub.h.req.a.b":                            "asks second all",
		"phub.h.ctl.start":                          "operates all",
		"phub.h.ctl.stop":                           "operates all",
		"phub.h.ctl.set":                            "operates all",
		"phub.h.cmd.c":                              "",
		"phub.h.mode.c":                             "node later",
		"phub.h.event.node_lost.n":                  "node later",
		"phub.h.int.coord.beat":                     "node later",
		"phub.h.int.coord.ctl.start":                "node later",
		"phub.h.int.node.n.release":                 "node later",
		"phub.h.int.kv.placement.c":                 "",
		"phub.i.req.c":                              "",
		"phub.i.ctl.start":                          "",
		"phub.i.mode.c":                             "other",
		"phub.i.int.coord.beat":                     "other",
		"phub._sys.kick.S":                          "",
		"phub._sys.disconnect":                      "",
		"$KV.phub_h_nodes.n":                        "node later",
		"$KV.phub_h_children.c":                     "node later",
		"$KV.phub_h_placement._view":                "node later",
		"$KV.phub_i_placement._view":                "other",
		"$KV.else.key":                              "",
		"$JS.API.INFO":                              "node later other",
		"$JS.API.STREAM.NAMES":                      "",
		"$JS.API.STREAM.INFO.KV_phub_h_nodes":       "node later",
		"$JS.API.STREAM.INFO.KV_phub_i_nodes":       "other",
		"$JS.API.STREAM.CREATE.KV_phub_h_nodes":     "node",
		"$JS.API.STREAM.CREATE.KV_phub_i_nodes":     "other",
		"$JS.API.STREAM.CREATE.else":                "",
		"$JS.API.STREAM.UPDATE.KV_phub_h_nodes":     "",
		"$JS.API.STREAM.DELETE.KV_phub_h_nodes":     "",
		"$JS.API.STREAM.PURGE.KV_phub_h_nodes":      "",
		"$JS.API.STREAM.MSG.DELETE.KV_phub_h_nodes": "",
		"$JS.API.STREAM.RESTORE.KV_phub_h_nodes":    "",
		"$JS.API.STREAM.SNAPSHOT.KV_phub_h_nodes":   "",
		"$JS.API.STREAM.MSG.GET.KV_phub_h_children": "node later",
		"$JS.API.STREAM.MSG.GET.KV_phub_i_children": "other",
		"$JS.API.CONSUMER.CREATE.KV_phub_h_children.x.$KV.phub_h_children.>": "node later",
		"$JS.API.CONSUMER.CREATE.KV_phub_h_children.x":                       "",
		"$JS.API.CONSUMER.CREATE.KV_phub_i_children.x.$KV.phub_i_children.>": "other",
		"$JS.API.CONSUMER.DURABLE.CREATE.KV_phub_h_children.x":               "",
		"$JS.API.CONSUMER.MSG.NEXT.KV_phub_h_children.x":                     "node later",
		"$JS.API.CONSUMER.DELETE.KV_phub_h_children.x":                       "node later",
		"$JS.API.CONSUMER.DELETE.else.x":                                     "",
		"$SYS.REQ.ACCOUNT.PING.CONNZ":                                        "node later other",
		"$SYS.REQ.SERVER.S.KICK":                                             "",
		"$SRV.PING":                                                          "",
		"_INBOX.x":                                                           "",
		"_INBOX_h.asks.x":                                                    "node later",
		"_INBOX_h.node.x":                                                    "node later",
		"_INBOX_i.asks.x":                                                    "other",
		"anything.else":                                                      "",
	}
	mayHear = map[string]string{
		">":                         "",
		"_INBOX.>":                  "",
		"_INBOX_h.>":                "",
		"_INBOX_h.*.>":              "",
		"_INBOX_h.asks.>":           "asks",
		"_INBOX_h.second.>":         "second",
		"_INBOX_h.operates.>":       "operates",
		"_INBOX_h.node.>":           "node later",
		"_INBOX_h.node.x.*":         "node later",
		"_INBOX_i.node.>":           "other",
		"phub.>":                    "",
		"phub.h.>":                  "",
		"phub.h.req.>":              "node later",
		"phub.h.ctl.>":              "node later",
		"phub.h.mode.>":             "watches all",
		"phub.h.event.>":            "watches all",
		"phub.h.int.>":              "node later",
		"phub.h.int.coord.beat":     "node later",
		"phub.h.int.kv.nodes.>":     "node later",
		"phub.h.int.kv.children.>":  "node later",
		"phub.h.int.kv.placement.>": "node later watches all",
		"phub.i.req.>":              "other",
		"phub.i.int.>":              "other",
		"phub.*.req.>":              "",
		"phub._sys.disconnect":      "",
		"$KV.>":                     "",
		"$KV.phub_h_placement.>":    "",
		"$JS.>":                     "",
		"$SYS.>":                    "",
		"$SRV.PING":                 "node later other",
		"$SRV.INFO.phub.x":          "node later other",
		"$SRV.PING.else":            "",
		"anything.else":             "",
	}
)

// TestPermissions_AreNoMore tries every subject of the tables as every user.
func TestPermissions_AreNoMore(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) {
		for user := range users(t) {
			nc := natstest.Connect(t, u.Server.URL(), append(u.Login(user), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
			for subject, may := range mayPublish {
				got := denied(t, nc, func() error { return nc.Publish(subject, []byte(`{}`)) })
				if want := !slices.Contains(strings.Fields(may), user); got != want {
					t.Errorf("%s publishes to %s: denied %v, want %v", user, subject, got, want)
				}
			}
			for subject, may := range mayHear {
				got := denied(t, nc, func() error {
					_, err := nc.SubscribeSync(subject)
					return err
				})
				if want := !slices.Contains(strings.Fields(may), user); got != want {
					t.Errorf("%s subscribes to %s: denied %v, want %v", user, subject, got, want)
				}
			}
		}
	})
}

// denied reports whether the server refuses what f sends: it says so before it answers the flush.
func denied(t *testing.T, nc *nats.Conn, f func() error) bool {
	t.Helper()
	before := nc.LastError()
	if err := errors.Join(f(), nc.Flush()); err != nil {
		t.Fatal(err)
	}
	after := nc.LastError()
	return !errors.Is(after, before) && errors.Is(after, nats.ErrPermissionViolation)
}

// violations collects what servers refused to connections of a test.
type violations struct {
	mu   sync.Mutex
	text []string
}

func (v *violations) add(s string) {
	lookup := strings.Contains(s, "phub.h.ctl.info") // of a client that finds nobody: that who only asks may not
	if strings.Contains(strings.ToLower(s), "permissions violation") && !lookup {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.text = append(v.text, s)
	}
}

// Write takes a line of a node's log.
func (v *violations) Write(p []byte) (int, error) {
	v.add(string(p))
	return len(p), nil
}

func (v *violations) handler() nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { v.add(err.Error()) })
}

// guarded is a hub of which everybody has one of the lists.
type guarded struct {
	*testHub
	users  *natstest.Users
	domain string // that its nodes are told
	seen   *violations
}

func (g *guarded) connect(user string) *nats.Conn {
	g.t.Helper()
	return natstest.Connect(g.t, g.url, append(g.users.Login(user), g.seen.handler())...)
}

func (g *guarded) clientAs(user string) *phub.Client {
	g.t.Helper()
	c, err := phub.NewClient(g.connect(user), g.name)
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func newGuarded(t *testing.T, u *natstest.Users) *guarded {
	t.Helper()
	g := &guarded{testHub: &testHub{t: t, name: "h", url: u.Server.URL(), nodes: map[string]*phub.Node{}}, users: u, seen: &violations{}}
	g.client = g.clientAs("operates")
	return g
}

// joinAs makes this process a node with the rights of a user.
func (g *guarded) joinAs(user string, names ...string) {
	g.t.Helper()
	for _, name := range names {
		o := g.options(name)
		o.NATS, o.Domain = g.users.Login(user), g.domain
		o.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(g.seen, testLog{g.t}), nil))
		g.joinWith(o)
	}
}

// kill closes the connection of a node from the server's side, as the end of its process would, and returns its number.
func (g *guarded) kill(node string) uint64 {
	g.t.Helper()
	conns, err := g.users.Server.Running().Connz(&server.ConnzOptions{})
	if err != nil {
		g.t.Fatal(err)
	}
	for _, c := range conns.Conns {
		if c.Name == "phub h "+node {
			if err := g.users.Server.Disconnect(c.Cid); err != nil {
				g.t.Fatal(err)
			}
			return c.Cid
		}
	}
	g.t.Fatalf("found no connection of %s", node)
	return 0
}

// back reports whether a node is a member with another connection than that which was closed.
func (g *guarded) back(node string, closed uint64) bool {
	nodes, err := g.client.Nodes(g.ctx(10 * time.Second))
	return err == nil && slices.ContainsFunc(nodes.Nodes, func(n phub.NodeInfo) bool {
		return n.Node == node && n.Member && n.Conn.Client != closed
	})
}

// TestPermissions_AreEnough lives the life of a hub with nobody in it who has more than a list: nodes, one of which joins
// late, a start of more children than are read one by one, a move, a kill, requests of phub's client and plain ones. No
// server refuses anything.
func TestPermissions_AreEnough(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) { livesWithRights(newGuarded(t, u)) })
}

// TestPermissions_AreEnoughInADomain lives the same life with a hub whose nodes are told its JetStream domain.
func TestPermissions_AreEnoughInADomain(t *testing.T) {
	t.Parallel()
	const domain = "edge"
	g := newGuarded(t, natstest.UsersInDomain(t, domain, usersIn(t, domain)))
	g.domain = domain
	livesWithRights(g)
}

func livesWithRights(g *guarded) {
	changes, err := g.clientAs("watches").Watch(g.ctx(time.Minute))
	if err != nil {
		g.t.Fatal(err)
	}
	g.joinAs("node", "node1", "node2")
	specs := []phub.Spec{pair("c")}
	for i := range 80 {
		specs = append(specs, phub.Spec{Child: fmt.Sprintf("many.%d", i), Kind: "who"})
	}
	active := g.start(specs...)[0].Replicas[0].Node
	g.joinAs("later", "node3")
	g.serves("asks")
	g.serves("second")
	g.eventually("the coordinator counts node3, too", func() bool { return g.back("node3", 0) })
	if _, err := g.client.Move(g.ctx(20*time.Second), "c", "node3"); err != nil {
		g.t.Fatal(err)
	}
	g.serves("asks")
	first := g.kill("node3")
	g.serves("asks")
	second := g.kill(active)
	g.serves("all")
	g.eventually("all nodes are back, with all children", func() bool {
		st, err := g.client.Status(g.ctx(10 * time.Second))
		return err == nil && st.Children == len(specs) && st.Settled && g.back("node3", first) && g.back(active, second)
	})
	for change, err := range changes {
		if err != nil {
			g.t.Fatal(err)
		}
		if change.Mode != nil && change.Mode.Child == "c" && change.Mode.Node == "node3" && change.Mode.Mode == phub.Active {
			break
		}
	}
	g.seen.mu.Lock()
	defer g.seen.mu.Unlock()
	if len(g.seen.text) > 0 {
		g.t.Errorf("servers refused %d times: %s", len(g.seen.text), strings.Join(g.seen.text, "\n"))
	}
}

// serves has a user ask child c, by phub's client and without it.
func (g *guarded) serves(user string) {
	g.t.Helper()
	nc := g.connect(user)
	client, err := phub.NewClient(nc, g.name)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := client.Request(g.ctx(20*time.Second), "c", []byte("hello"), phub.Idempotent()); err != nil {
		g.t.Errorf("%s asks: %v", user, err)
	}
	if m, err := nc.Request("phub.h.req.c", nil, 5*time.Second); err != nil || m.Header.Get("Phub-Node") == "" {
		g.t.Errorf("%s asks without a client: %v, %v", user, m, err)
	}
}

// TestPermissions_ClientsWithoutAPrefix has a client with NATS's default inboxes ask a hub whose nodes may answer there, and one
// whose nodes may not.
func TestPermissions_ClientsWithoutAPrefix(t *testing.T) {
	t.Parallel()
	for _, answers := range []bool{true, false} {
		o := permissions.Options{Hub: "h"}
		if answers {
			o.ClientInboxes = []string{"_INBOX"}
		}
		node, err := permissions.Of(o, permissions.Node)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := permissions.Of(permissions.Options{Hub: "h", InboxPrefix: "_INBOX"}, permissions.Asks, permissions.Operates)
		if err != nil {
			t.Fatal(err)
		}
		u := natstest.ConfiguredUsers(t, map[string]permissions.Permissions{"node": node, "plain": plain, "operates": users(t)["operates"]})
		g := newGuarded(t, u)
		g.joinAs("node", "node1")
		g.start(phub.Spec{Child: "c", Kind: "who"})
		nc := natstest.Connect(t, g.url, append(u.Login("plain")[:1:1], silent)...)
		m, err := nc.Request("phub.h.req.c", nil, time.Second)
		if got := err == nil && m.Header.Get("Phub-Node") == "node1"; got != answers {
			t.Errorf("a client with NATS's own inboxes is answered: %v (%v), want %v", got, err, answers)
		}
	}
}

// TestPermissions_ANodeReachesOtherHubsOfItsAccount shows what no list can keep a node from: it may create consumers, and NATS
// delivers to whatever subject a consumer names (nats-server issue 8274). If this fails, docs/security.md and docs/wire.md may say so.
func TestPermissions_ANodeReachesOtherHubsOfItsAccount(t *testing.T) {
	t.Parallel()
	inEachMode(t, func(t *testing.T, u *natstest.Users) {
		victim, err := natstest.Connect(t, u.Server.URL(), u.Login(natstest.Anybody)...).SubscribeSync("phub.i.req.victim")
		if err != nil {
			t.Fatal(err)
		}
		nc := natstest.Connect(t, u.Server.URL(), append(u.Login("node"), silent)...)
		for subject, data := range map[string]string{"phub.i.req.victim": "refused", "$KV.phub_h_nodes.x": ""} {
			if got, want := denied(t, nc, func() error { return nc.Publish(subject, []byte(data)) }), data != ""; got != want {
				t.Errorf("denied to publish to %s: %v, want %v", subject, got, want)
			}
		}
		for _, call := range [][2]string{
			{"$JS.API.STREAM.CREATE.KV_phub_h_nodes", `{"name":"KV_phub_h_nodes","subjects":["$KV.phub_h_nodes.>"],"storage":"memory"}`},
			{"$KV.phub_h_nodes.x", "forged"},
			{"$JS.API.CONSUMER.CREATE.KV_phub_h_nodes.c.$KV.phub_h_nodes.>", `{"stream_name":"KV_phub_h_nodes","config":{"name":"c","deliver_subject":"phub.i.req.victim","ack_policy":"none","filter_subject":"$KV.phub_h_nodes.>"}}`},
		} {
			if m, err := nc.Request(call[0], []byte(call[1]), 5*time.Second); err != nil || strings.Contains(string(m.Data), `"error"`) {
				t.Fatalf("%s: %v, %v", call[0], m, err)
			}
		}
		m, err := victim.NextMsg(5 * time.Second)
		if err != nil || string(m.Data) != "forged" {
			t.Errorf("the other hub got %v, %v", m, err)
		}
	})
}
