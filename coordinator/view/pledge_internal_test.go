package view

import (
	"fmt"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// TestPledges_NeverBothBackedAndAbandoned goes through all ways in which the members of hubs of 3 to 8 can
// have withdrawn, while all others pledge: a coordinator that is abandoned has no majority, and one that
// is not may have one again.
func TestPledges_NeverBothBackedAndAbandoned(t *testing.T) {
	t.Parallel()
	for n := pledgers; n <= 8; n++ {
		for withdrawn := range 1 << (n - 1) {
			m, v := pledging(n, withdrawn)
			backed := m.pledgedBy(v.Members) > 0
			if abandoned := m.abandoned(v); abandoned == backed {
				t.Errorf("%d members, withdrawn %b: abandoned %t, backed by the others %t", n, withdrawn, abandoned, backed)
			}
		}
	}
}

// pledging returns a coordinator of n members. The others have withdrawn where a bit is set, and pledge where
// it isn't.
func pledging(n, withdrawn int) (*Machine, *protocol.View) {
	name := func(i int) protocol.Incarnation {
		return protocol.Incarnation{Node: fmt.Sprintf("node%d", i), ID: fmt.Sprintf("id%d", i)}
	}
	m := New(Config{Hub: "h", Node: "node0", Keys: unsigned(func() string { return "id0" })})
	m.lead = newLead()
	v := &protocol.View{Number: 7, Coordinator: name(0)}
	for i := range n {
		v.Members = append(v.Members, protocol.Member{Incarnation: name(i)})
		if i == 0 {
			continue
		}
		p := m.newPeer(name(i), v.Members[i])
		m.lead.peers[name(i).Node] = p
		rec := protocol.NodeRecord{Incarnation: name(i), Status: protocol.Up}
		if withdrawn&(1<<(i-1)) != 0 {
			rec.Withdrew = protocol.Withdrawal{ID: name(0).ID, View: v.Number}
		} else {
			p.pledged = time.Second
		}
		m.nodes.nodes[name(i).Node] = &Known{NodeRecord: rec}
	}
	return m, v
}

func TestPledges_WithdrawalsOfAnotherViewOrForAnotherDoNotCount(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(w *protocol.Withdrawal){
		"an earlier view": func(w *protocol.Withdrawal) { w.View-- },
		"another incarnation": func(w *protocol.Withdrawal) {
			w.ID = "somebody"
		},
		"nothing": func(w *protocol.Withdrawal) { *w = protocol.Withdrawal{} },
	} {
		m, v := pledging(3, 0b11)
		if !m.abandoned(v) {
			t.Fatal("two of three withdrew: expected the coordinator to be abandoned")
		}
		change(&m.nodes.nodes["node2"].Withdrew)
		if m.abandoned(v) {
			t.Errorf("%s: expected the withdrawal not to count", what)
		}
	}
}

func TestPledges_CountFromTheAnswerAndForWhomTheyName(t *testing.T) {
	t.Parallel()
	m, v := pledging(3, 0b11)
	p := m.lead.peers["node1"]
	for i := range uint64(6) {
		p.answering(time.Duration(i+1)*time.Second, i+1)
	}
	m.now.Mono = time.Minute
	for _, c := range []struct {
		pledge protocol.Pledge
		want   time.Duration
	}{
		{protocol.Pledge{ID: "somebody", Number: 6}, 0},
		{protocol.Pledge{ID: "id0", Number: 1}, 0}, // too old to be remembered
		{protocol.Pledge{ID: "id0", Number: 7}, 0}, // not answered yet
		{protocol.Pledge{ID: "id0", Number: 5}, 5 * time.Second},
		{protocol.Pledge{ID: "id0", Number: 4}, 5 * time.Second}, // never back
	} {
		m.takePledge(p, c.pledge)
		if got := m.pledgedBy(v.Members); got != c.want {
			t.Errorf("%+v: pledged since %v, expected %v", c.pledge, got, c.want)
		}
	}
}

// A heartbeat that somebody sends again is answered again. When it was answered first is what a pledge that names it may count
// from. In a run of the simulator a coordinator that was paused found such a heartbeat in its inbox, and one that pledged by its
// answer, and granted leases when it had long been replaced.
func TestPledges_CountFromTheFirstAnswer(t *testing.T) {
	t.Parallel()
	m, v := pledging(3, 0)
	m.self = v.Coordinator
	p := m.lead.peers["node1"]
	p.pledged = 0
	p.answering(time.Second, 7)
	p.answering(2*time.Second, 8)
	for _, number := range []uint64{8, 7} {
		p.answering(9*time.Second, number)
	}
	m.now.Mono = 9 * time.Second
	m.takePledge(p, protocol.Pledge{ID: m.self.ID, Number: 8})
	if p.pledged != 2*time.Second {
		t.Errorf("pledged since %v, expected 2s", p.pledged)
	}
}
