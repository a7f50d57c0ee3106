//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/e2e/adversary"
	"github.com/phub-io/phub/protocol"
)

const (
	// pace is the interval of bursts, each of them one message or a flood.
	pace = 5 * time.Millisecond
	// bytesPerSecond bounds what is sent in the mean.
	bytesPerSecond = 8 << 20
	mobSize        = 20
)

// attack is a client that sends what package adversary draws.
type attack struct {
	t     *testing.T
	h     *testHub
	nc    *nats.Conn // attacks, and doesn't hear itself
	ear   *nats.Conn // hears what phub and NATS sent
	world adversary.World
	gen   *adversary.Generator
	heard chan adversary.Message

	stopped chan struct{}
	running sync.WaitGroup
	rows    map[string]int // messages sent
	answers atomic.Int64   // to its own inbox
	denied  atomic.Int64   // what NATS did not let it send
	log     *bufio.Writer
}

// startAttack listens to the hub for a while as it works, and then attacks it until the test stops it, as whom the options say.
func (h *testHub) startAttack(seed uint64, nodes, children []string, c *canary, who adversaryOptions) *attack {
	h.t.Helper()
	a := &attack{
		t: h.t, h: h, heard: make(chan adversary.Message, 10_000), stopped: make(chan struct{}), rows: map[string]int{},
	}
	opts := []nats.Option{nats.NoEcho(), nats.Name("adversary"), nats.ErrorHandler(a.refused)}
	a.nc = connect(h.t, h.nats.url(), append(opts, who.opts...)...)
	h.t.Cleanup(a.nc.Close)
	if a.ear = a.nc; who.opts != nil {
		a.ear = h.nc
	}
	a.world = adversary.World{
		Hub: hubName, Nodes: nodes, Children: children, Kind: "recorder", MaxPayload: int(a.nc.MaxPayload()), Inbox: who.inbox, Replies: c.subjects(),
	}
	if _, err := a.nc.Subscribe(who.inbox+".>", func(*nats.Msg) { a.answers.Add(1) }); err != nil {
		h.t.Fatal(err)
	}
	for i := range mobSize {
		a.world.Mob = append(a.world.Mob, fmt.Sprintf("mob.%d", i))
	}
	corpus := a.listen()
	a.gen = adversary.New(seed, a.world, corpus, chosenRows(h.t))
	log, err := os.Create(filepath.Join(logs(h.t), "adversary.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	a.log = bufio.NewWriter(log)
	a.running.Go(func() {
		defer log.Close()
		a.run(corpus)
		if err := a.log.Flush(); err != nil {
			a.t.Errorf("write the adversary's log: %v", err)
		}
	})
	h.t.Cleanup(a.stop)
	return a
}

// refused counts what NATS does not let it send.
func (a *attack) refused(_ *nats.Conn, _ *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		a.denied.Add(1)
	}
}

// chosenRows are those that -adversary.rows asks for.
func chosenRows(t *testing.T) []adversary.Row {
	t.Helper()
	wanted, err := regexp.Compile(*adversaryRows)
	if err != nil {
		t.Fatalf("-adversary.rows: %v", err)
	}
	rows := slices.DeleteFunc(adversary.Rows(), func(r adversary.Row) bool { return !wanted.MatchString(r.Name) })
	if len(rows) == 0 {
		t.Fatalf("-adversary.rows: no row of docs/wire.md matches %q", *adversaryRows)
	}
	return rows
}

// listen records what goes by while the hub has something to do. It ends to listen where an open ear would
// change what others see: to a probe, and to requests, "no responders" is an answer.
func (a *attack) listen() *adversary.Corpus {
	a.t.Helper()
	everything := a.subscribe("phub." + hubName + ".>")
	corpus := adversary.NewCorpus()
	child := a.world.Children[0]
	for range 3 {
		a.h.phub("child", "move", child, a.h.otherReplica(child, a.h.active()[child]))
		a.h.phub("child", "start", "--kind", a.world.Kind, a.world.Mob[0])
		a.h.phub("child", "stop", a.world.Mob[0])
	}
	time.Sleep(2 * protocol.Config{}.WithDefaults().Heartbeat.Std()) // each node is heard
	if err := everything.Unsubscribe(); err != nil {
		a.t.Fatal(err)
	}
	a.subscribe("phub." + hubName + ".int.kv.>")
	a.subscribe("phub." + hubName + ".event.>")
	a.learn(corpus)
	for _, row := range []string{"int.coord.beat", "int.node.<node>.release", "ctl.<verb>", "int.kv.<bucket>.<key>", "phub_<hub>_placement"} {
		if corpus.Len(row) == 0 {
			a.t.Errorf("heard no message of %s: too little to begin with", row)
		}
	}
	return corpus
}

func (a *attack) subscribe(subject string) *nats.Subscription {
	a.t.Helper()
	sub, err := a.ear.Subscribe(subject, func(m *nats.Msg) {
		select {
		case a.heard <- adversary.Message{Subject: m.Subject, Header: m.Header, Data: m.Data}:
		default: // it has heard enough
		}
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return sub
}

// learn adds what was heard since the last call. What a bucket's stream repeats was a value of the bucket.
func (a *attack) learn(c *adversary.Corpus) {
	for {
		select {
		case m := <-a.heard:
			if strings.HasPrefix(string(m.Data), a.h.recordOnly) {
				continue // a request of the plain client: sent twice, it would be handled twice
			}
			c.Add(hubName, m)
			if key := m.Header["Nats-Subject"]; len(key) == 1 {
				c.Add(hubName, adversary.Message{Subject: key[0], Data: m.Data})
			}
		default:
			return
		}
	}
}

// during lets the attack go on for a time.
func (a *attack) during(d time.Duration) { time.Sleep(d) }

func (a *attack) stop() {
	select {
	case <-a.stopped:
	default:
		close(a.stopped)
	}
	a.running.Wait()
}

func (a *attack) run(c *adversary.Corpus) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-a.stopped:
			return
		case <-tick.C:
		}
		if float64(sent) > bytesPerSecond*time.Since(began).Seconds() {
			continue
		}
		a.learn(c)
		burst := a.gen.Next()
		a.note(burst)
		for _, m := range burst {
			sent += len(m.Data)
			if err := a.nc.PublishMsg(&nats.Msg{Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data}); err != nil {
				a.t.Errorf("send %s: %v", m.Subject, err)
				return
			}
		}
	}
}

// note logs a burst, on a line.
func (a *attack) note(burst []adversary.Message) {
	m := burst[0]
	a.rows[m.Row] += len(burst)
	fmt.Fprintf(a.log, "%s %d × %s reply %q header %.300q %d bytes %.300q\n",
		time.Now().Format("15:04:05.000"), len(burst), m.Subject, m.Reply, m.Header, len(m.Data), m.Data)
}

// passed returns how many messages were sent and not refused by NATS.
func (a *attack) passed() int64 {
	all := int64(0)
	for _, n := range a.rows {
		all += int64(n)
	}
	return all - a.denied.Load()
}

func (a *attack) summary() string {
	var rows []string
	all := 0
	for _, r := range adversary.Rows() {
		rows = append(rows, fmt.Sprintf("%s %d", r.Name, a.rows[r.Name]))
		all += a.rows[r.Name]
	}
	return fmt.Sprintf("%d messages, of which NATS refused %d: %s; left out: %v; answers to its inbox: %d",
		all, a.denied.Load(), strings.Join(rows, ", "), a.gen.Spared(), a.answers.Load())
}

// cleanUp stops the children that the adversary started by right, and removes what it put under keys that are
// none of phub's.
func (a *attack) cleanUp() {
	a.t.Helper()
	js, err := jetstream.New(a.ear)
	if err != nil {
		a.t.Fatal(err)
	}
	a.stopMob()
	for b, own := range map[protocol.Bucket][]string{
		protocol.NodesBucket: a.world.Nodes, protocol.ChildrenBucket: a.world.Children,
		protocol.PlacementBucket: append([]string{protocol.ViewKey, protocol.ConfigKey}, a.world.Children...),
	} {
		a.purgeForeign(js, b, own)
	}
}

// stopMob stops the children that the adversary started.
func (a *attack) stopMob() {
	a.t.Helper()
	eventually(a.t, 30*time.Second, "the children that the adversary started by right are stopped", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		var mob []string
		for info, err := range a.h.client.List(ctx, phub.Filter{}) {
			if err != nil {
				return err
			}
			if !slices.Contains(a.world.Children, info.Child) {
				mob = append(mob, info.Child)
			}
		}
		if len(mob) == 0 {
			return nil
		}
		_, err := a.h.client.Stop(ctx, mob, nil)
		return err
	})
}

// purgeForeign purges all keys but phub's own, valid or not, as the nats command line does: by a marker.
func (a *attack) purgeForeign(js jetstream.JetStream, b protocol.Bucket, own []string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := js.Stream(ctx, "KV_"+b.Name(hubName))
	if err != nil {
		a.t.Fatal(err)
	}
	prefix := "$KV." + b.Name(hubName) + "."
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		a.t.Fatal(err)
	}
	for subject := range info.State.Subjects {
		if slices.Contains(own, strings.TrimPrefix(subject, prefix)) {
			continue
		}
		m := &nats.Msg{Subject: subject, Header: nats.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}}
		if _, err := js.PublishMsg(ctx, m); err != nil {
			a.t.Errorf("purge %q: %v", subject, err)
		}
	}
}
