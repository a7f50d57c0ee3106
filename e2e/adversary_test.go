//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/history"
	"github.com/phub-io/phub/internal/clock"
	"github.com/phub-io/phub/internal/worstcase"
	"github.com/phub-io/phub/permissions"
	"github.com/phub-io/phub/protocol"
)

var (
	adversaryFor  = flag.Duration("adversary.for", time.Minute, "how long TestAdversary attacks the hub")
	adversarySeed = flag.Uint64("adversary.seed", 0, "what TestAdversary draws its messages from; 0: another one each time")
	adversaryRows = flag.String("adversary.rows", "", "a regular expression: TestAdversary keeps to the rows of docs/wire.md whose first column matches it")
)

const (
	// asked is how many children the plain client asks.
	asked = 50
	// askedEvery is the interval at which it asks each of them.
	askedEvery = 100 * time.Millisecond
	// wholeWithin is how long after the end of the attack the hub may take to be as it was.
	wholeWithin = 5 * time.Second
)

// adversaryOptions say as whom the adversary connects.
type adversaryOptions struct {
	opts  []nats.Option // nil: as everybody else
	inbox string        // where its own inboxes begin
}

// A client with all rights in the account attacks the hub by everything that package adversary draws, while a
// plain client asks 50 children. See there for what it leaves out, and why.
func TestAdversary(t *testing.T) {
	attacked(t, *adversaryFor, startNATS(t, 3), adversaryOptions{inbox: "_INBOX.adversary"})
}

// The same by a client that has only the lists of those who ask and operate, and an inbox prefix of its own. What it may not send, the servers
// refuse.
func TestAdversary_WhoAsksAndOperates(t *testing.T) {
	inbox := "_INBOX_" + hubName + ".adversary"
	p, err := permissions.Of(permissions.Options{Hub: hubName, InboxPrefix: inbox}, permissions.Asks, permissions.Operates)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "nats.conf")
	users := "no_auth_user: phub\nauthorization: { users: [\n{ user: phub, password: phub }\n{ user: adversary, password: adversary\n" + p.Conf() + "\n}\n] }\n"
	if err := os.WriteFile(config, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startNATSOver(t, 3, allRoutes, "--config", config)
	attacked(t, *adversaryFor, c, adversaryOptions{
		opts: []nats.Option{nats.UserInfo("adversary", "adversary"), nats.CustomInboxPrefix(inbox)}, inbox: inbox,
	})
}

// attacked starts a hub, has an adversary attack it for a time, and looks whether it can be told by anything.
func attacked(t *testing.T, d time.Duration, c *natsCluster, who adversaryOptions) {
	t.Helper()
	seed := *adversarySeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano() % 1e9)
	}
	t.Logf("seed %d: -adversary.seed %d -adversary.for %v draws the same messages from the same hub", seed, seed, *adversaryFor)
	h := &testHub{t: t, nats: c, recordOnly: "plain-", nodes: map[string]*process{}}
	h.dir = h.nats.dir
	h.connect()
	names := []string{"node1", "node2", "node3"}
	for _, name := range names {
		h.start(name)
	}
	h.settled(len(names))
	children := h.children(asked)
	h.settled(len(names))
	l := newLoad(t, hubName)
	l.name = h.recordOnly
	l.connect(h.nats)
	l.send(children, askedEvery)
	h.served(l, children)

	before := h.refused()
	canary := h.startCanary()
	memory := h.watchMemory()
	a := h.startAttack(seed, names, children, canary, who)
	from := clock.Now()
	a.during(d)
	a.stop()
	h.whole(a, len(names), children)
	memory.stop()
	h.refusedMore(before, a)
	a.hadOnlyItsRights(who)

	h.lived(names)
	h.neverUnserved(l, a, children, from)
	memory.flat()
	canary.unchanged(who.opts == nil)
	h.check(l)
}

// hadOnlyItsRights fails the test unless the adversary was answered where it may be, and refused the rest.
func (a *attack) hadOnlyItsRights(who adversaryOptions) {
	a.t.Helper()
	if *adversaryRows != "" {
		return
	}
	if denied := a.denied.Load(); (denied > 0) != (who.opts != nil) {
		a.t.Errorf("NATS refused %d of the adversary's messages", denied)
	}
	if a.answers.Load() < 10 {
		a.t.Errorf("the adversary had %d answers: it did not get to ask", a.answers.Load())
	}
}

// refused returns what the status says of input that was refused.
func (h *testHub) refused() map[string]phub.Refused {
	h.t.Helper()
	var refused map[string]phub.Refused
	eventually(h.t, 10*time.Second, "the hub tells its status", func() error {
		s, err := h.status()
		refused = s.Refused
		return err
	})
	return refused
}

// refusedMore fails the test unless the status tells of what the adversary sent, with its rate: of one message of 200 that NATS let
// through at the least, however many that were.
func (h *testHub) refusedMore(before map[string]phub.Refused, a *attack) {
	h.t.Helper()
	var total, rate int64
	after := h.refused()
	for reason, r := range after {
		total += int64(r.Total) - int64(before[reason].Total)
		rate += int64(r.PerMinute)
	}
	h.t.Logf("the status counts %d refused inputs, %d in the last minute: %v", total, rate, after)
	if least := a.passed()/200 + 1; *adversaryRows == "" && (total < least || rate < 1) {
		h.t.Errorf("the status counts %d refused inputs, %d in the last minute: fewer than were sent by far, expected are %d", total, rate, least)
	}
}

// lived fails the test if a node's process has ended, or its log shows a panic or a data race.
func (h *testHub) lived(names []string) {
	h.t.Helper()
	for _, name := range names {
		p := h.nodes[name]
		select {
		case <-p.done:
			h.t.Errorf("the process of %s has ended: %v", name, p.cmd.ProcessState)
		default:
		}
		data, err := os.ReadFile(p.log)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, bad := range []string{"panic:", "panicked", "fatal error:", "DATA RACE"} {
			if i := bytes.Index(data, []byte(bad)); i >= 0 {
				h.t.Errorf("%s's log has %q:\n%s", name, bad, data[i:min(len(data), i+2000)])
			}
		}
		h.t.Logf("%s wrote %d kB of log", name, len(data)>>10)
	}
}

// neverUnserved fails the test for each child that was unserved for longer than the formulas of
// docs/failover.md allow if a node fails. No node does here; but what the adversary writes may cost a view,
// as a node's end does.
func (h *testHub) neverUnserved(l *load, a *attack, children []string, from int64) {
	h.t.Helper()
	limit := h.worstCase()
	var worst time.Duration
	outcomes := map[string]int{}
	for _, child := range children {
		s := h.serviceOf(l, child, from)
		worst = max(worst, s.Gap)
		for o, n := range s.Outcomes {
			outcomes[o] += n
		}
		if s.Gap > limit {
			h.t.Errorf("%s was not served for %v, allowed is %v: %v", child, s.Gap, limit, s)
		}
	}
	h.tellFailures(l, from)
	h.t.Logf("no child was unserved for more than %v, allowed is %v; requests: %v; sent: %s", worst, limit, outcomes, a.summary())
}

// tellFailures logs the first requests of the plain client that were not served, by the clock of the nodes' logs.
func (h *testHub) tellFailures(l *load, from int64) {
	h.t.Helper()
	most := 20
	for _, s := range l.soFar() {
		if s.At < from || s.Outcome == history.OK || most == 0 {
			continue
		}
		most--
		at := time.Now().Add(-time.Duration(clock.Now() - s.At))
		h.t.Logf("%s: asked at %s, after %v: %s", s.Child, at.UTC().Format("15:04:05.000"), time.Duration(s.Done-s.At).Round(time.Millisecond), s.Outcome)
	}
}

// worstCase is the longest time that the formulas give a node to be replaced, with what a write and a round
// trip take on a busy machine of two cores.
func (h *testHub) worstCase() time.Duration {
	d := worstcase.Deployment{
		Config: protocol.Config{}.WithDefaults(), Nodes: len(h.nodes), Servers: len(h.nats.servers), Asked: true,
		RoundTrip: 20 * time.Millisecond, Write: 100 * time.Millisecond, Dial: 50 * time.Millisecond,
	}
	var limit time.Duration
	for _, c := range d.Cases()[:4] { // those without a server's end
		limit = max(limit, c.Takes)
	}
	return limit
}

// whole fails the test unless the hub is as it was, in time: first all that the client asks, and then, when an
// operator has removed what the adversary left, everything.
func (h *testHub) whole(a *attack, nodes int, children []string) {
	h.t.Helper()
	began := time.Now()
	eventually(h.t, wholeWithin, "after the attack all children are whole", func() error {
		if s, err := h.status(); err != nil || s.Nodes != nodes {
			return fmt.Errorf("%d nodes, view %d by %s, %v", s.Nodes, s.View, s.Coordinator.Node, err)
		}
		return h.allRun(children)
	})
	h.t.Logf("the children were whole %v after the attack", time.Since(began).Round(time.Millisecond))
	a.cleanUp()
	began = time.Now()
	eventually(h.t, wholeWithin, "after all foreign values are removed the hub is whole", func() error {
		if s, err := h.status(); err != nil || s.Children != len(children) {
			return fmt.Errorf("%d children, %v", s.Children, err)
		}
		out, code := h.tryWithin(wholeWithin, "status")
		if code != 0 || !strings.HasPrefix(out, "OK") {
			return fmt.Errorf("phub status, exit code %d: %s", code, out)
		}
		return h.allRun(children)
	})
	h.t.Logf("the hub was whole %v after it was cleaned up", time.Since(began).Round(time.Millisecond))
}

// allRun returns nil if each of the children has an active replica and a passive one, and both run.
func (h *testHub) allRun(children []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	missing := slices.Clone(children)
	var example phub.ChildInfo
	for info, err := range h.client.List(ctx, phub.Filter{}) {
		if err != nil {
			return err
		}
		active, passive := 0, 0
		for _, r := range info.Replicas {
			switch {
			case r.State != protocol.Running:
			case r.Mode == phub.Active:
				active++
			default:
				passive++
			}
		}
		if active == 1 && passive == 1 {
			missing = slices.DeleteFunc(missing, func(c string) bool { return c == info.Child })
		} else if slices.Contains(children, info.Child) {
			example = info
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%d children without a running active and a running passive replica, %s among them: %+v", len(missing), example.Child, example)
	}
	return nil
}
