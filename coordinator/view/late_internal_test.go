package view

import (
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

// The answer to a heartbeat that comes after the next one was sent grants what it would have granted in time, from when its
// heartbeat was sent; once, and only if it is the coordinator's.
func TestBeat_LateAnswersCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answer  func(a *protocol.BeatAnswer)
		outcome Outcome
		granted bool
	}{
		{"the coordinator's", func(*protocol.BeatAnswer) {}, Done, true},
		{"another one's", func(a *protocol.BeatAnswer) { a.Coordinator.ID = "other" }, Done, false},
		{"refused", func(a *protocol.BeatAnswer) { a.Accepted = false }, Done, false},
		{"of who knows less", func(a *protocol.BeatAnswer) { a.View = 4 }, Done, false},
		{"lost", func(*protocol.BeatAnswer) {}, OutcomeUnknown, false},
	} {
		m, by := newBeatTest(Unsafe{})
		sent := m.now.Mono
		m.beats.number, m.beats.busy, m.beats.sent, m.beats.view = 7, true, sent, 5
		m.now.Mono += 500 * time.Millisecond
		m.beatAnswered(BeatAnswered{Number: 7, Outcome: OutcomeUnknown})
		m.beats.number, m.beats.busy, m.beats.sent = 8, true, m.now.Mono
		m.now.Mono += 400 * time.Millisecond
		a := protocol.BeatAnswer{Coordinator: by, Accepted: true, View: 5}
		c.answer(&a)
		for range 2 {
			m.beatAnswered(BeatAnswered{Number: 7, Answer: a, Outcome: c.outcome})
		}
		lease := m.settings().Lease.Std()
		if want := sent + lease - protocol.Margin(lease); (m.trust.until == want) != c.granted || !c.granted && m.trust.until != 0 {
			t.Errorf("%s: trusts itself until %v, expected %t to be %v", c.name, m.trust.until, c.granted, want)
		}
		if !m.beats.busy || m.beats.number != 8 {
			t.Errorf("%s: the heartbeat under way is not waited for any more: %+v", c.name, m.beats)
		}
	}
}

// crowded gives the machine a view of n members.
func (m *Machine) crowded(n int) {
	for i := range n {
		m.history.view.Members = append(m.history.view.Members, protocol.Member{Incarnation: protocol.Incarnation{Node: "m" + itoa(uint64(i)), ID: "m"}})
	}
}

// What all nodes do when the coordinator is late comes to no more in a large hub than in a small one.
func TestMachine_WorkOfBeingLateIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		nodes                 int
		retry, record, asking time.Duration // at most, by the default times
	}{
		{3, 25 * time.Millisecond, 500 * time.Millisecond, 0},
		{few, 25 * time.Millisecond, 500 * time.Millisecond, 0},
		{few + 4, 100 * time.Millisecond, 500 * time.Millisecond, 80 * time.Millisecond},
		{100, 500 * time.Millisecond, 3500 * time.Millisecond, 1680 * time.Millisecond},
	} {
		m, _ := newBeatTest(Unsafe{})
		m.crowded(c.nodes)
		for range 20 {
			m.retryBeat()
		}
		if got := m.beats.next - m.now.Mono; got != c.retry {
			t.Errorf("%d nodes: a heartbeat is sent again after %v, expected %v", c.nodes, got, c.retry)
		}
		if got := m.recordPace(); got != c.record {
			t.Errorf("%d nodes: a newcomer's record is written every %v, expected %v", c.nodes, got, c.record)
		}
		if got := m.askSeldom(); got != c.asking {
			t.Errorf("%d nodes: a connection is asked for every %v, expected %v", c.nodes, got, c.asking)
		}
		m.history.view.Members = append(m.history.view.Members, protocol.Member{Incarnation: m.self})
		if got, most := m.recordPace(), m.settings().Lease.Std()/2; got > most {
			t.Errorf("%d nodes: a member that lives by its record writes it every %v, expected %v at most", c.nodes, got, most)
		}
	}
}

// Who was held up himself, or hears nothing from his own server, finds nobody late for that.
func TestMachine_SilenceIsWhatThisNodeListenedTo(t *testing.T) {
	t.Parallel()
	m, _ := newBeatTest(Unsafe{})
	at := func(d time.Duration, e Event) { m.Step(Now{Mono: time.Minute + d}, e) }
	at(0, Connected{Conn: protocol.Conn{Server: "s", Client: 1}})
	at(0, Tick{})
	at(0, Pinged{})
	heard := time.Minute
	for d := TickEvery; d <= time.Second; d += TickEvery {
		at(d, Tick{})
		at(d, Pinged{})
	}
	if got := m.silence(heard); got != time.Second {
		t.Errorf("listened for %v, expected 1s", got)
	}
	at(61*time.Second, Tick{})
	if got := m.silence(heard); got < time.Second || got > time.Second+2*TickEvery {
		t.Errorf("after a minute in which it was stopped: listened for %v, expected about 1s", got)
	}
	m.contact.busy = false
	from := 61 * time.Second
	at(from+TickEvery, Tick{})
	before := m.silence(heard)
	for d := 2 * TickEvery; d <= time.Second; d += TickEvery {
		at(from+d, Tick{})
	}
	if got := m.silence(heard); got > before+2*TickEvery {
		t.Errorf("while its server does not answer: listened for %v, expected %v", got, before)
	}
	at(from+time.Second, Pinged{})
	if got := m.silence(heard); got < 2*time.Second-2*TickEvery {
		t.Errorf("once its server has answered: listened for %v, expected 2s", got)
	}
}

// A node that watches nobody rests until it has something to do; one that watches others does not.
func TestMachine_Rests(t *testing.T) {
	t.Parallel()
	m, by := newBeatTest(Unsafe{})
	m.specs.loaded, m.nodes.loaded = true, true
	m.crowded(5)
	m.history.view.Members = append(m.history.view.Members, protocol.Member{Incarnation: by}, protocol.Member{Incarnation: m.self})
	now := time.Minute
	m.pace.tick, m.now.Mono = now, now
	m.beats.next, m.key.next, m.contact.sent = now+time.Second, now+time.Second, now+time.Second
	if got := m.Rest(); got != restMost {
		t.Errorf("with nothing to do: rests for %v, expected %v", got, restMost)
	}
	m.beats.next = now + 90*time.Millisecond
	if got := m.Rest(); got != 90*time.Millisecond {
		t.Errorf("with a heartbeat to send: rests for %v, expected 90ms", got)
	}
	m.coord.suspect = true
	if got := m.Rest(); got != TickEvery {
		t.Errorf("with a suspicion: rests for %v, expected %v", got, TickEvery)
	}
	m.coord.suspect, m.history.view.Members = false, m.history.view.Members[5:]
	if got := m.Rest(); got != TickEvery {
		t.Errorf("the coordinator's deputy rests for %v, expected %v", got, TickEvery)
	}
}
