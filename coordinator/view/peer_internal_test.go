package view

import (
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
		m.watchPeer(p)
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
		m := New(Config{Hub: "h", Node: "node3", NewID: func() string { return "id3" }})
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
