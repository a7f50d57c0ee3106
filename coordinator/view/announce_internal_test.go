package view

import (
	"strconv"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// What is told late is told with the reason that it had, also when the departure is settled by then.
func TestMachine_TellsOfManyWithTheirReason(t *testing.T) {
	t.Parallel()
	const children = announcePiece + 1
	m := New(Config{Hub: "h", Node: "n1", Keys: unsigned(func() string { return "n1-1" })})
	m.lead = newLead()
	n1, n2 := protocol.Member{Incarnation: m.self, Since: 1}, protocol.Member{Incarnation: protocol.Incarnation{Node: "n2", ID: "a"}, Since: 1}
	before := &protocol.View{Number: 2, Coordinator: m.self, Members: []protocol.Member{n1, n2}}
	for i := range children {
		child := "c" + strconv.Itoa(i)
		m.history.replace(Change{child, nil, &Placed{Child: child, Entry: protocol.Entry{
			V: 1, View: 2, Epoch: 2, Exclusive: true, Replicas: []protocol.Replica{{Node: "n2"}, {Node: "n1"}}, Reason: "placed",
		}}})
	}
	lost := &protocol.View{Number: 3, Coordinator: m.self, Members: []protocol.Member{n1}, Gone: []protocol.Departure{
		{Incarnation: n2.Incarnation, Since: 1, Until: 3, Reason: "node_lost"},
	}}
	m.history.view = lost
	m.announceCommit(Commit{Before: before, After: lost})
	m.announceDue()
	if n := len(m.lead.announce.queue); n != 2 {
		t.Fatalf("%d pieces wait, expected 2: telling of many waits for the next tick", n)
	}
	m.history.view = &protocol.View{Number: 4, Coordinator: m.self, Members: lost.Members} // departures settled
	m.out = nil
	told := 0
	for range 3 {
		m.now.Mono += TickEvery
		m.announceDue()
	}
	for _, a := range m.out {
		if a, ok := a.(AnnounceMode); ok {
			if told++; a.Message.Reason != "node_lost" || a.Message.Epoch != 3 {
				t.Fatalf("found %+v, expected epoch 3 by node_lost", a.Message)
			}
		}
	}
	if told != children {
		t.Errorf("%d of %d are told of within %v", told, children, 3*time.Duration(TickEvery))
	}
}
