package replica_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// world drives one machine with random events, and keeps its own, simpler idea of what is allowed.
type world struct {
	scenario
	t        *testing.T
	rnd      *rand.Rand
	newest   protocol.Assignment
	entitled map[uint64]bool // entries that made the replica active
	letGo    uint64          // the newest view whose release was granted
	run      uint64
	open     bool
	unknown  bool           // an Open or Close failed: whether it is open is not known to the machine
	pending  replica.Action // an Open or Close that is not answered yet
	trusted  bool
	told     protocol.Mode // what the worker heard last
	acts     bool          // it was told that it is active, and its work has not ended since
	ending   bool          // the machine waits for that
}

// TestMachine_RandomEvents checks, after each of many random events, that nothing is served without
// trust, after a release by an older entry, or without a running worker; and that actions make sense.
func TestMachine_RandomEvents(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		w := &world{scenario: *newScenario(), t: t, rnd: rand.New(rand.NewPCG(seed, 7)), entitled: map[uint64]bool{}}
		limits := replica.Limits{}.WithDefaults()
		w.m = replica.New(w, &limits)
		w.give(replica.Attached{Conn: 1})
		for range 500 {
			w.now += time.Duration(w.rnd.IntN(3000)) * time.Millisecond
			w.give(w.event())
			w.check()
		}
	}
}

func (w *world) give(e replica.Event) {
	for _, a := range w.m.Step(int64(w.now), e) {
		switch a := a.(type) {
		case replica.Start:
			if w.run != 0 || a.Spec == nil {
				w.t.Fatalf("%v, while run %d is there", a, w.run)
			}
			w.run, w.told = a.Run, ""
		case replica.Tell:
			w.told = a.Mode
			w.acts = w.acts || a.Mode == protocol.Active
		case replica.Drain:
			w.ending = a.Work
		case replica.Abandon:
			w.acts = false
		case replica.Open:
			if w.open || w.unknown || w.pending != nil {
				w.t.Fatalf("%v, while open, unknown, or not answered", a)
			}
			w.pending = a
		case replica.Close:
			if !w.open && !w.unknown || w.pending != nil {
				w.t.Fatalf("%v, while closed or not answered", a)
			}
			w.pending = a
		}
		if a.String() == "" {
			w.t.Fatalf("%T has no text", a)
		}
	}
}

func (w *world) event() replica.Event {
	switch w.rnd.IntN(16) {
	case 0, 1:
		return replica.Started{Run: w.run}
	case 2:
		return replica.Ended{Run: w.run, Err: "random"}
	case 3:
		run := w.run
		if w.m.Life() == replica.Stopping {
			w.run = 0
		}
		return replica.Stopped{Run: run}
	case 4:
		return w.answer()
	case 5:
		return replica.Tick{}
	case 6:
		work := w.rnd.IntN(2) == 0
		w.acts = w.acts && !(work && w.ending)
		return replica.Drained{Work: work}
	case 7:
		v := w.newest.View + uint64(w.rnd.IntN(3))
		return replica.ReleaseAsked{View: v}
	case 8:
		return replica.Released{Node: "n1", View: w.newest.View}
	case 9, 10:
		w.trusted, w.until = true, w.now+4*time.Second
		return replica.TrustGained{}
	case 11:
		w.trusted = false
		return replica.TrustLost{Reason: "random"}
	}
	return w.assign()
}

// answer says what came of the Open or Close that is pending. One that fails may have been carried out all
// the same. NATS may refuse a subscription at any later time.
func (w *world) answer() replica.Event {
	pending, ok := w.pending, w.rnd.IntN(5) > 0
	if pending == nil {
		return w.refusal()
	}
	w.pending, w.unknown = nil, !ok
	done := ok || w.rnd.IntN(2) == 0
	switch pending.(type) {
	case replica.Open:
		w.open = w.open || done
		return replica.Opened{Conn: 1, OK: ok}
	default:
		w.open = w.open && !done
		return replica.Closed{Conn: 1, OK: ok}
	}
}

func (w *world) refusal() replica.Event {
	if !w.open || w.rnd.IntN(4) > 0 {
		return replica.Tick{}
	}
	w.open, w.unknown = false, true
	return replica.Refused{Conn: 1, Err: "random"}
}

func (w *world) assign() replica.Event {
	w.newest.View += uint64(w.rnd.IntN(2))
	a := protocol.Assignment{Child: "c", View: w.newest.View, Assigned: w.rnd.IntN(6) > 0}
	if a.Assigned {
		a.Spec = &protocol.Spec{Restart: protocol.Restart{Max: 1000, Within: protocol.Duration(time.Second)}}
		a.SpecRev, a.Mode, a.Epoch = 1+w.newest.View/20, protocol.Passive, w.newest.View
		if w.rnd.IntN(2) == 0 {
			a.Mode = protocol.Active
			w.entitled[a.View] = true
		}
		if w.rnd.IntN(3) == 0 {
			a.After = []string{"n1"}
		}
	}
	return replica.Assigned{Assignment: a, Reset: w.rnd.IntN(20) == 0}
}

func (w *world) check() {
	now := int64(w.now)
	if w.m.LetGo() && w.acts {
		w.t.Fatal("lets go before its active work has ended")
	}
	if w.m.LetGo() && w.m.Life() == replica.Running && w.told == protocol.Active {
		w.t.Fatal("lets go, and its worker believes that it is active")
	}
	if w.m.LetGo() {
		w.letGo = max(w.letGo, w.m.MinView())
	}
	if !w.m.Serves(now) {
		return
	}
	switch {
	case !w.trusted || now >= int64(w.until):
		w.t.Fatal("serves without trust")
	case w.m.LetGo():
		w.t.Fatal("serves what was let go")
	case w.m.Life() != replica.Running:
		w.t.Fatal("serves without a worker")
	case w.m.Epoch() < w.letGo:
		w.t.Fatalf("serves by entry %d after the release for %d", w.m.Epoch(), w.letGo)
	case !w.entitled[w.m.Epoch()]:
		w.t.Fatalf("serves by entry %d, which never made it active", w.m.Epoch())
	}
	if mode, _ := w.m.Mode(); mode != protocol.Active {
		w.t.Fatal("serves, but says that it is passive")
	}
}
