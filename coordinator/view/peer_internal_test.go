package view

import (
	"strconv"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestFence_ThatFailsIsNotTriedAgainAtOnce has a fence refused again and again, as by a bucket that was made anew: the
// coordinator pauses in between.
func TestFence_ThatFailsIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	m, v := pledging(4, 0)
	m.now.Mono, m.conn, m.history.view = time.Minute, &protocol.Conn{Server: "S", Client: 1}, v
	m.key.fresh, m.key.accepted = true, m.now.Mono
	p := m.lead.peers["node1"]
	p.conn = protocol.Conn{Server: "S", Client: 2}
	p.closed[p.conn] = true
	fences := func() int {
		m.out = nil
		m.watchPeer(p, m.settings().Probe.Std())
		n := 0
		for _, a := range m.out {
			if _, fence := a.(WriteNode); fence {
				n++
			}
		}
		m.leadFenced("node1", false)
		return n
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 0}, {rankStep - 1, 0}, {1, 1}} {
		m.now.Mono += step.after
		m.key.accepted = m.now.Mono
		if got := fences(); got != step.want {
			t.Errorf("%v after the one before: %d fences, want %d", step.after, got, step.want)
		}
	}
}

// TestEvidence_ANewcomerTakesItOnlyOfACoordinatorThatIsAlone looks at a coordinator whose known connections are closed. One
// that is no member itself may act by the word of the only member, who confirmed another connection.
func TestEvidence_ANewcomerTakesItOnlyOfACoordinatorThatIsAlone(t *testing.T) {
	t.Parallel()
	coordinator := protocol.Incarnation{Node: "node1", ID: "id1"}
	other := protocol.Incarnation{Node: "node2", ID: "id2"}
	conn := protocol.Conn{Server: "S", Client: 1}
	for name, c := range map[string]struct {
		members []protocol.Incarnation
		want    bool
	}{
		"nobody is a member":               {nil, true},
		"the coordinator is the only one":  {[]protocol.Incarnation{coordinator}, true},
		"another one is the only one":      {[]protocol.Incarnation{other}, false},
		"both the coordinator and another": {[]protocol.Incarnation{coordinator, other}, false},
	} {
		m := New(Config{Hub: "h", Node: "node3", Keys: unsigned(func() string { return "id3" })})
		m.now.Mono = time.Minute
		m.history.view = &protocol.View{Number: 7, Coordinator: coordinator}
		for _, in := range c.members {
			m.history.view.Members = append(m.history.view.Members, protocol.Member{Incarnation: in})
		}
		m.coord = candidacy{
			of: coordinator, last: Known{NodeRecord: protocol.NodeRecord{Incarnation: coordinator, Status: protocol.Up, Conn: conn}},
			closed: map[protocol.Conn]time.Duration{conn: time.Second},
		}
		if got := m.coordDead(); got != c.want {
			t.Errorf("%s: the closed connection is taken as the end: %t, want %t", name, got, c.want)
		}
	}
}

// Anybody who may send heartbeats may name as many nodes as he likes. They are forgotten when no record follows, and cost
// no write.
func TestMachine_NodesThatNeverJoinAreForgotten(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	refused := map[string]int{}
	written := 0
	step := func(e Event) {
		for _, a := range m.Step(m.now, e) {
			switch a := a.(type) {
			case AnswerBeat:
				refused[a.Answer.Detail]++
			case WriteNode:
				if a.Record.Node != m.self.Node {
					written++
				}
			}
		}
	}
	for i := range 3 * maxJoining {
		node := "x" + strconv.Itoa(i)
		step(BeatReceived{Beat: protocol.Beat{V: 1, Incarnation: protocol.Incarnation{Node: node, ID: "id"}, Status: protocol.Up, Conn: protocol.Conn{Server: "s", Client: uint64(i)}}})
	}
	if n := len(m.lead.peers); n > maxJoining+1 || refused["being admitted"] != n || refused["as many nodes as may ask to join already"] != 3*maxJoining-n {
		t.Errorf("%d peers, answers %v", n, refused)
	}
	for range 10 * time.Second / TickEvery {
		m.now.Mono += TickEvery
		m.key.accepted, m.key.fresh, m.op = m.now.Mono, true, nil // its record is renewed all the time, and no commit lasts
		step(Tick{})
	}
	if len(m.lead.peers) > 0 || written > 0 {
		t.Errorf("after 10 s: %d peers, %d records of others written", len(m.lead.peers), written)
	}
}

// Nor do they cost messages, whatever connections they name, and they hold up nobody's probes. They are forgotten too by a
// coordinator that lost its authority meanwhile.
func TestMachine_NodesThatNeverJoinCostNoMessages(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	member := protocol.Member{Incarnation: protocol.Incarnation{Node: "member", ID: "id"}}
	m.history.view.Members = append(m.history.view.Members, member)
	m.lead.peers["member"] = m.newPeer(member.Incarnation, member)
	probes := 0
	step := func(e Event) {
		for _, a := range m.Step(m.now, e) {
			switch a := a.(type) {
			case AskConn:
				if a.Node != "member" {
					t.Fatalf("it asks for the connection of %s", a.Node)
				}
			case Probe:
				if probes++; a.Node != "member" {
					t.Fatalf("it probes %s", a.Node)
				}
			}
		}
	}
	for i := range maxJoining {
		for _, id := range []string{"id", "another"} {
			step(BeatReceived{Beat: protocol.Beat{
				V: 1, Incarnation: protocol.Incarnation{Node: "x" + strconv.Itoa(i), ID: id}, Number: 1, Status: protocol.Up,
				Conn: protocol.Conn{Server: "s", Client: uint64(i)},
			}})
		}
	}
	if probes = 0; len(m.lead.peers) != maxJoining+1 {
		t.Fatalf("%d peers", len(m.lead.peers))
	}
	of := func(node string) Event {
		return BeatReceived{Beat: protocol.Beat{V: 1, Incarnation: protocol.Incarnation{Node: node, ID: "id"}, Status: protocol.Up}}
	}
	step(of("last"))
	m.now.Mono += m.settings().Probe.Std()
	if out := m.Step(m.now, of("nobody")); len(out) != 1 {
		t.Errorf("of a heartbeat that changes nothing follows more than an answer: %v", out)
	}
	if step(Tick{}); probes == 0 {
		t.Error("nothing was due: that was no test")
	}
	probes = 0
	for range time.Second / TickEvery {
		m.now.Mono += TickEvery
		step(Tick{})
	}
	if want := int(time.Second / m.settings().Probe.Std() / 2); probes < want {
		t.Errorf("the member was probed %d times in a second, want %d", probes, want)
	}
	m.now.Mono += m.term()
	step(Tick{})
	if m.authority() || len(m.lead.peers) != 1 {
		t.Errorf("authority %t, %d peers, want only the member", m.authority(), len(m.lead.peers))
	}
}

func TestPeer_KnowsFewClosedConnections(t *testing.T) {
	t.Parallel()
	p := &peer{closed: map[protocol.Conn]bool{}}
	now := []protocol.Conn{{Server: "now", Client: 1}}
	p.noteClosed(now[0], now)
	for i := range 1000 {
		p.noteClosed(protocol.Conn{Server: "s", Client: uint64(i)}, now)
	}
	if len(p.closed) > maxClosed || !p.closed[now[0]] || !p.closed[protocol.Conn{Server: "s", Client: 999}] {
		t.Errorf("knows %d, the present one %t", len(p.closed), p.closed[now[0]])
	}
}
