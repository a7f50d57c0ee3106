package adversary_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/phub-io/phub/e2e/adversary"
	"github.com/phub-io/phub/protocol"
)

var world = adversary.World{
	Hub: "h", Nodes: []string{"node1", "node2", "node3"}, Children: []string{"child1", "child2"},
	Mob: []string{"mob.1", "mob.2"}, Kind: "recorder", MaxPayload: 1 << 20, Inbox: "_INBOX.adversary", Replies: []string{"$KV.canary.key"},
}

// corpus is what a hub might have sent.
func corpus() *adversary.Corpus {
	c := adversary.NewCorpus()
	for _, m := range [][2]string{
		{"phub.h.int.coord.beat", `{"v":1,"node":"node1","incarnation":"8e1c25a6-5c7e-4d6e-9a76-1c2d3e4f5a6b","number":7,"conn":{"server":"N","client":9},"status":"up","view":5,"report":{"settled":5}}`},
		{"phub.h.int.node.node1.release", `{"v":1,"from":"node2","children":[{"child":"child1","view":5}]}`},
		{"phub.h.ctl.start", `{"children":[{"child":"child1","kind":"recorder"}],"wait":"10s"}`},
		{"phub.h.ctl.stop", `{"children":["child1"],"wait":"10s"}`},
		{"$KV.phub_h_nodes.node1", `{"v":1,"node":"node1","incarnation":"8e1c25a6-5c7e-4d6e-9a76-1c2d3e4f5a6b","status":"up","beat":3}`},
		{"$KV.phub_h_children.child1", `{"v":1,"child":"child1","kind":"recorder"}`},
		{"$KV.phub_h_placement._view", `{"v":1,"view":5,"members":[{"node":"node1","since":1}],"nonce":"x","batch":1}`},
		{"phub.h.int.kv.placement.child1", `{"v":1,"replicas":[{"node":"node1","mode":"active"}],"epoch":4,"view":4}`},
	} {
		c.Add("h", adversary.Message{Subject: m[0], Data: []byte(m[1]), Header: map[string][]string{"Nats-Sequence": {"5"}}})
	}
	return c
}

func draw(seed uint64, n int) []adversary.Message {
	g := adversary.New(seed, world, corpus(), adversary.Rows())
	var all []adversary.Message
	for range n {
		all = append(all, g.Next()[0])
	}
	return all
}

func TestGenerator_TheSameSeedGivesTheSameMessages(t *testing.T) {
	t.Parallel()
	one, same, other := draw(7, 2000), draw(7, 2000), draw(8, 2000)
	if !reflect.DeepEqual(one, same) {
		t.Errorf("two generators of one seed drew different messages")
	}
	if reflect.DeepEqual(one, other) {
		t.Errorf("generators of two seeds drew the same messages")
	}
}

var (
	tableRow = regexp.MustCompile("(?m)^\\| `((?:req|cmd|mode|event|ctl|int|phub)\\.[^` ]+)` \\| [^|]*→[^|]*\\|")
	bucket   = regexp.MustCompile("(?m)^### `(phub_<hub>_\\w+)`")
)

// A subject or bucket that is new in docs/wire.md has to be added to Rows.
func TestRows_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	// Reserved rows have "–" where the others say who sends to whom.
	page = strings.ReplaceAll(page, "| – |", "| → |")
	var want []string
	for _, pattern := range []*regexp.Regexp{tableRow, bucket} {
		for _, m := range pattern.FindAllStringSubmatch(page, -1) {
			want = append(want, m[1])
		}
	}
	if len(want) < 15 {
		t.Fatalf("found %d rows in docs/wire.md, %q: too few to say anything", len(want), want)
	}
	var got []string
	for _, r := range adversary.Rows() {
		if !strings.HasPrefix(r.Name, "$SRV.") && !strings.Contains(r.Name, ": ") {
			got = append(got, r.Name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the adversary has the rows\n%q\ndocs/wire.md has\n%q", got, want)
	}
}

// Each verb of the page's table is asked for, to any node and to the coordinator.
func TestGenerator_AsksForEveryVerb(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| verb |")
	table, _, _ = strings.Cut(table, "\n\n")
	verbs := regexp.MustCompile("(?m)^\\| `([a-z]+)`").FindAllStringSubmatch(table, -1)
	if len(verbs) < 9 {
		t.Fatalf("docs/wire.md has the verbs %q, expected more", verbs)
	}
	asked := map[string]bool{}
	for _, m := range draw(6, 10_000) {
		asked[m.Subject] = true
	}
	for _, v := range verbs {
		for _, subject := range []string{"phub.h.ctl." + v[1], "phub.h.int.coord.ctl." + v[1]} {
			if !asked[subject] {
				t.Errorf("nobody asks on %s", subject)
			}
		}
	}
}

func TestGenerator_CoversEveryRowInEveryWay(t *testing.T) {
	t.Parallel()
	type seen struct{ all, junk, object, large, replies, headers int }
	rows := map[string]*seen{}
	for _, r := range adversary.Rows() {
		rows[r.Name] = &seen{}
	}
	for _, m := range draw(1, 15_000) {
		s := rows[m.Row]
		s.all++
		switch {
		case len(m.Data) > 100<<10:
			s.large++
		case json.Unmarshal(m.Data, &struct{}{}) == nil:
			s.object++
		default:
			s.junk++
		}
		if m.Reply != "" {
			s.replies++
		}
		if len(m.Header) > 0 {
			s.headers++
		}
	}
	for name, s := range rows {
		stored := strings.HasPrefix(name, "phub_")
		seldom := name == "phub_<hub>_nodes"
		if strings.HasSuffix(name, ": a crowd") && s.object > 50 {
			continue // it is made in one way
		}
		if s.all < 50 || s.junk == 0 || s.object == 0 || s.large == 0 && !seldom || s.headers == 0 || (s.replies == 0) != stored {
			t.Errorf("%s: %+v: something is missing, or a bucket's write asks for an answer", name, *s)
		}
	}
}

func TestGenerator_MessagesAreSuchAsNATSTakes(t *testing.T) {
	t.Parallel()
	g := adversary.New(3, world, corpus(), adversary.Rows())
	floods := 0
	for range 5_000 {
		burst := g.Next()
		m := burst[0]
		if len(burst) > 1 {
			floods++
		}
		if strings.HasPrefix(m.Subject, "$KV.") && len(burst) > 1 {
			t.Errorf("a flood of %d writes to %s", len(burst), m.Subject)
		}
		if strings.ContainsAny(m.Subject+m.Reply, " \t\r\n") || m.Subject == "" {
			t.Errorf("subject %q, reply %q: would be another command to the server", m.Subject, m.Reply)
		}
		if row, known := adversary.RowOf(world.Hub, m.Subject); !known || !strings.HasPrefix(m.Row, row.Name) {
			t.Errorf("%s is of row %q, and was drawn for %q", m.Subject, row.Name, m.Row)
		}
		if bytes := len(m.Data) * len(burst); bytes > 2*world.MaxPayload || len(m.Data) > world.MaxPayload {
			t.Errorf("%d messages of %d bytes on %s", len(burst), len(m.Data), m.Subject)
		}
	}
	if floods == 0 {
		t.Errorf("no flood among 5,000 bursts")
	}
}

// A crowd is as many nodes as it has messages, each with a valid heartbeat.
func TestGenerator_ACrowdIsOfMany(t *testing.T) {
	t.Parallel()
	rows := slices.DeleteFunc(adversary.Rows(), func(r adversary.Row) bool { return !strings.HasSuffix(r.Name, ": a crowd") })
	g := adversary.New(4, world, corpus(), rows)
	names := map[string]bool{}
	for range 10 {
		for _, m := range g.Next() {
			b, err := protocol.DecodeBeat(m.Data)
			if err != nil {
				t.Fatalf("%s: %v", m.Data, err)
			}
			names[b.Node] = true
		}
	}
	if len(names) < 5000 {
		t.Errorf("10 bursts are of %d nodes, expected 5000", len(names))
	}
}

func TestGenerator_SparesWhatIsObeyedByRight(t *testing.T) {
	t.Parallel()
	g := adversary.New(5, world, corpus(), adversary.Rows())
	stops, starts, updates := 0, 0, 0
	for range 30_000 {
		m := g.Next()[0]
		switch {
		case strings.HasSuffix(m.Subject, ".ctl.stop"):
			var r protocol.StopRequest
			if json.Unmarshal(m.Data, &r) == nil {
				stops++
				if slices.Contains(r.Children, "child1") || slices.Contains(r.Children, "child2") {
					t.Errorf("%s of a child that is asked: %s", m.Subject, m.Data)
				}
			}
		case strings.HasSuffix(m.Subject, ".ctl.update"):
			var r protocol.UpdateRequest
			if json.Unmarshal(m.Data, &r) == nil && len(r.Children) > 0 && r.Children[0].Spec.Validate() == nil {
				updates++
				if slices.Contains(world.Children, r.Children[0].Spec.Child) {
					t.Errorf("%s of a child that is asked: %s", m.Subject, m.Data)
				}
			}
		case strings.HasSuffix(m.Subject, ".ctl.start"):
			var r protocol.StartRequest
			if json.Unmarshal(m.Data, &r) == nil && len(r.Children) > 0 {
				starts++
			}
		}
	}
	if stops == 0 || starts == 0 || updates == 0 || len(g.Spared()) == 0 {
		t.Errorf("%d stops, %d starts, %d updates, spared %v: nothing was tested", stops, starts, updates, g.Spared())
	}
}

func TestGenerator_WritesUnderNodesOwnKeys(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for _, m := range draw(9, 10_000) {
		if key, ok := strings.CutPrefix(m.Subject, "$KV.phub_h_nodes."); ok {
			count[key]++
		}
	}
	for _, node := range world.Nodes {
		if count[node] < 20 {
			t.Errorf("%d writes under %s of 10,000 messages", count[node], node)
		}
	}
}

func TestCorpus_IsBounded(t *testing.T) {
	t.Parallel()
	c := adversary.NewCorpus()
	for i := range 10_000 {
		c.Add("h", adversary.Message{Subject: "phub.h.mode.child1", Data: []byte(strings.Repeat("x", i*10))})
	}
	if n := c.Len("mode.<child>"); n == 0 || n > 100 {
		t.Errorf("%d messages are kept of 10,000", n)
	}
	if c.Add("h", adversary.Message{Subject: "phub.other.mode.child1"}); c.Len("mode.<child>") == 0 {
		t.Errorf("a message of another hub replaced the others")
	}
}
