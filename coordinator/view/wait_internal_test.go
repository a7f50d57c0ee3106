package view

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
)

func TestWait_IsBounded(t *testing.T) {
	t.Parallel()
	m := New(Config{Hub: "h", Node: "n", Keys: unsigned(func() string { return "id" })})
	m.now.Mono = time.Hour
	for wait, want := range map[time.Duration]time.Duration{0: defaultWait, -1: defaultWait, time.Second: time.Second, time.Hour: maxWait} {
		m.lead = newLead()
		m.wait(ControlReceived{ID: 1, Verb: protocol.VerbStop}, protocol.Duration(wait), goal{}, []protocol.ChildResult{{}, {Error: &protocol.Problem{}}})
		c := m.lead.waits.all[0]
		if c.askers[0].until != time.Hour+want || !slices.Equal(c.waiting, []int{0}) {
			t.Errorf("wait %v: until %v, waiting %v", wait, c.askers[0].until-time.Hour, c.waiting)
		}
	}
}

func TestWaits_EachVerbHasRoomOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWaits()
	for i := range maxAskers {
		if p := w.full(protocol.VerbStart, 1); p != nil {
			t.Fatalf("request %d: %v", i, p)
		}
		w.add(request{verb: protocol.VerbStart, hash: [32]byte{byte(i), byte(i >> 8)}}, asker{id: uint64(i)}, goal{}, make([]protocol.ChildResult, 1))
	}
	if p := w.full(protocol.VerbStart, 1); p == nil || p.Code != protocol.CodeBusy {
		t.Errorf("one start too many: found %v, expected code %d", p, protocol.CodeBusy)
	}
	if p := w.full(protocol.VerbStop, protocol.MaxStart); p != nil {
		t.Errorf("a stop beside %d starts that wait: %v", maxAskers, p)
	}
	for _, c := range w.all {
		c.askers = nil
		w.answered(c, 1)
	}
	if v := w.of[protocol.VerbStart]; v.askers != 0 || v.children != 0 || len(w.same) != 0 {
		t.Errorf("after all were answered: %+v, %d waits", v, len(w.same))
	}
}

func TestWaits_AreBoundedByWhatTheyName(t *testing.T) {
	t.Parallel()
	w := newWaits()
	for i := range maxAwaited / protocol.MaxStart {
		w.add(request{verb: protocol.VerbStart, hash: [32]byte{byte(i)}}, asker{id: uint64(i)}, goal{}, make([]protocol.ChildResult, protocol.MaxStart))
	}
	if p := w.full(protocol.VerbStart, 1); p == nil || p.Code != protocol.CodeBusy {
		t.Errorf("found %v, expected code %d", p, protocol.CodeBusy)
	}
}

// A request that is carried out again with another outcome is no equal one, and what was final before is looked at anew.
func TestWaits_ShareWhatComesToTheSame(t *testing.T) {
	t.Parallel()
	w := newWaits()
	r := request{verb: protocol.VerbStart}
	w.add(r, asker{id: 1}, goal{}, []protocol.ChildResult{{Child: "a"}, {Child: "b"}})
	w.all[0].waiting = []int{1} // a is done
	w.add(r, asker{id: 2}, goal{}, []protocol.ChildResult{{Child: "a", Existed: true}, {Child: "b", Existed: true}})
	if c := w.all[0]; len(w.all) != 1 || len(c.askers) != 2 || !slices.Equal(c.waiting, []int{0, 1}) || c.results[0].Existed {
		t.Errorf("found %d waits, the first %+v", len(w.all), c)
	}
	w.add(r, asker{id: 3}, goal{}, []protocol.ChildResult{{Child: "a", Error: &protocol.Problem{}}, {Child: "b", Existed: true}})
	if len(w.all) != 2 || len(w.all[0].askers) != 2 {
		t.Errorf("found %d waits, the first %+v", len(w.all), w.all[0])
	}
}

// However many wait, a step looks at so many children only, and the next ones at the others.
func TestWaits_AStepLooksAtAFew(t *testing.T) {
	t.Parallel()
	m := New(Config{Hub: "h", Node: "n", Keys: unsigned(func() string { return "id" })})
	m.lead = newLead()
	const each = 1500
	for i := range 10 {
		results := make([]protocol.ChildResult, each)
		for j := range results {
			results[j].Child = "c" + strconv.Itoa(i) + "-" + strconv.Itoa(j)
			m.lead.desired.push(specWrite{child: results[j].Child})
		}
		data, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		m.wait(ControlReceived{ID: uint64(i), Verb: protocol.VerbStop, Data: data}, protocol.Duration(time.Second), goal{}, results)
	}
	m.now.Mono = 2 * time.Second
	answered := map[uint64]bool{}
	for steps := 1; len(answered) < 10; steps++ {
		m.out, m.lead.news = nil, false
		m.waitsDue()
		n := 0
		for _, a := range m.out {
			for _, id := range a.(AnswerControl).IDs {
				answered[id] = true
				n++
			}
		}
		if n*each > maxLooks+each || n == 0 {
			t.Fatalf("step %d answers %d requests for %d children each", steps, n, each)
		}
		if !m.lead.news && len(answered) < 10 {
			t.Fatalf("after step %d nothing more is due, and %d of 10 are answered", steps, len(answered))
		}
	}
}

// A stop that is stored, and not yet read because a record before it was missed, is not done: what is known of the spec
// is that it stands. In a run of the simulator it was acknowledged while the child ran.
func TestStop_IsNotDoneBeforeItIsRead(t *testing.T) {
	t.Parallel()
	m := newLeadTest()
	placed := &Placed{Child: "a", Entry: protocol.Entry{V: 1, View: 1, Epoch: 1, Spec: 1, Replicas: []protocol.Replica{{Node: "node1", Mode: protocol.Active}}}}
	m.history.entries["a"] = placed
	d := &m.lead.desired
	d.push(specWrite{child: "a"})
	d.op = &specOp{sent: d.queue}
	d.queue = nil
	d.store(3)
	m.desiredRead()
	r := protocol.ChildResult{Child: "a"}
	if m.stopDue(&r, false) {
		t.Errorf("stored as revision 3 and read up to 1: done with %+v", r)
	}
	if !m.stopDue(&r, true) || r.Error == nil || r.Error.Code != protocol.CodeHubNotServed {
		t.Errorf("when its time is over: %+v", r.Error)
	}
	m.specs.caughtUp(3) // somebody purged it
	m.desiredRead()
	if len(d.queue) != 1 || d.queue[0].spec != nil {
		t.Errorf("read up to 3, and the spec stands still: %d writes are due, expected that it is deleted again", len(d.queue))
	}
}
