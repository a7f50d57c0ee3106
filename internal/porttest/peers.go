package porttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

func junkIsReported(t *testing.T, s *setup) {
	a, heard := s.open("a")
	s.must(a.Lead(s.ctx, true))
	stored := s.subjects.Stored(placement, "k")
	s.eventually("both are reported", func() bool {
		s.sys.Publish(s, stored, []byte("forged"))
		s.sys.Publish(s, s.subjects.Beat(), []byte("{"))
		return slices.Contains(heard.junk(), stored) && slices.Contains(heard.junk(), s.subjects.Beat())
	})
	if got := heard.of(placement); len(got) != 0 {
		t.Errorf("a forged record was believed: %v", got)
	}
}

// onlyWhatIsSignedIsHeard sends heartbeats and requests for release that are not what the incarnation which they name signed for
// that subject, and true ones last.
func onlyWhatIsSignedIsHeard(t *testing.T, s *setup) {
	a, heard := s.open("a")
	var numbers []uint64
	var mu sync.Mutex
	heard.beatFunc = func(b protocol.Beat, answer func(protocol.BeatAnswer)) {
		mu.Lock()
		defer mu.Unlock()
		numbers = append(numbers, b.Number)
		answer(protocol.BeatAnswer{V: 1, Coordinator: incarnation("a"), To: b.ID, Number: b.Number})
	}
	s.must(a.Lead(s.ctx, true))
	p := a.Transport()
	asked := &releases{running: running{"a", echo("a")}}
	s.must(p.Serve(asked))
	beat, release, other := s.subjects.Beat(), s.subjects.Release("a"), s.subjects.Release("c")
	b := protocol.Beat{V: 1, Incarnation: incarnation("b"), Number: 1, Conn: protocol.Conn{Server: "N", Client: 1}, Status: protocol.Up}
	r := protocol.ReleaseRequest{V: 1, From: "b", ID: incarnation("b").ID, Number: 1, Children: []protocol.Release{{Child: "x", View: 4}}}
	first := s.signed("b", beat, &b)
	s.ask(beat, first) // somebody listens
	s.ask(release, s.signed("b", release, &r))
	b.Number, r.Number = 2, 2
	unsigned, err := protocol.EncodeSigned(nil, beat, &b)
	s.must(err)
	for _, m := range []struct {
		subject string
		data    []byte
	}{
		{beat, first},
		{beat, first},
		{beat, first}, // of which one counts: its author may be slower than who heard it
		{beat, unsigned},
		{beat, s.signedAs("c", "b", beat, &b)},
		{beat, s.signed("b", protocol.SubjectsOf("other").Beat(), &b)}, // to another hub
		{beat, bytes.Replace(s.signed("b", beat, &b), []byte(`"number":2`), []byte(`"number":3`), 1)},
		{release, s.signed("b", other, &r)}, // to another node
		{release, s.signedAs("c", "b", release, &r)},
		{release, s.signed("b", beat, &b)},
	} {
		s.sys.Publish(t, m.subject, m.data)
	}
	b.Number, r.Number = 4, 4
	s.ask(beat, s.signed("b", beat, &b))
	s.ask(release, s.signed("b", release, &r))
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(numbers, []uint64{1, 1, 4}) {
		t.Errorf("heartbeats %v were heard, expected 1, again 1, and 4", numbers)
	}
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if slices.Contains(asked.numbers, 2) || !slices.Contains(asked.numbers, 4) {
		t.Errorf("requests for release %v were heard, expected 1 and 4", asked.numbers)
	}
	if got := heard.junk(); len(got) != 6 {
		t.Errorf("%q were reported, expected the 6 heartbeats", got)
	}
}

func beatsReachOnlyTheCoordinator(t *testing.T, s *setup) {
	a, heard := s.open("a")
	b, _ := s.open("b")
	var silent atomic.Bool
	heard.beatFunc = func(b protocol.Beat, answer func(protocol.BeatAnswer)) {
		if !silent.Load() {
			go answer(protocol.BeatAnswer{V: 1, Coordinator: incarnation("a"), To: b.ID, Number: b.Number, Conn: a.Conn(), Accepted: true, View: b.Number + 1})
		}
	}
	send := func() (protocol.BeatAnswer, error) { // one that is lost on its way gets no answer at all
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		return b.Beat(ctx, protocol.Beat{V: 1, Incarnation: incarnation("b"), Status: protocol.Up, Number: 6, Conn: b.Conn(), Confirms: a.Conn()})
	}
	if _, err := send(); !errors.Is(err, coordinator.ErrNoResponders) {
		t.Errorf("beat without a coordinator: %v, want ErrNoResponders", err)
	}
	for range 2 {
		s.must(a.Lead(s.ctx, true))
		s.must(a.Lead(s.ctx, true))
		s.eventually("a beat is answered", func() bool {
			got, err := send()
			return err == nil && got.Accepted && got.View == 7
		})
		s.must(a.Lead(s.ctx, false))
		s.eventually("nobody listens", func() bool {
			_, err := send()
			return errors.Is(err, coordinator.ErrNoResponders)
		})
	}
	silent.Store(true)
	s.must(a.Lead(s.ctx, true))
	s.eventually("a beat that is not answered ends with its context", func() bool {
		_, err := send()
		return errors.Is(err, context.DeadlineExceeded)
	})
}

func probeFindsTheDead(t *testing.T, s *setup) {
	a, heard := s.open("a")
	b, _ := s.open("b")
	s.must(a.Probe("nobody"))
	s.eventually("nobody is found missing", func() bool { return heard.heardNoInterest("nobody") })
	if heard.heardNoInterest("b") {
		t.Error("a living node was found missing before it was probed")
	}
	s.sys.Crash(s, b)
	s.eventually("the dead node is found missing", func() bool {
		s.must(a.Probe("b"))
		return heard.heardNoInterest("b")
	})
}

func wakeReachesTheNode(t *testing.T, s *setup) {
	a, other := s.open("a")
	_, heard := s.open("b")
	s.eventually("the node is woken", func() bool { // servers tell each other of a new subscription in their own time
		s.must(a.Wake("b"))
		return heard.woken() > 0
	})
	if n := other.woken(); n != 0 {
		t.Errorf("found %d calls at the node that asked, expected none", n)
	}
}

func connectedTellsOpenFromClosed(t *testing.T, s *setup) {
	a, _ := s.open("a")
	b, _ := s.open("b")
	if a.Conn() == b.Conn() || a.Conn().Server == "" || a.Conn().Client == 0 {
		t.Errorf("connections %v and %v", a.Conn(), b.Conn())
	}
	for _, c := range []protocol.Conn{a.Conn(), b.Conn()} {
		if e, err := a.Connected(s.ctx, c); e != view.Open || err != nil {
			t.Errorf("living connection: %v, %v", e, err)
		}
	}
	s.sys.Crash(s, b)
	s.eventually("the dead connection is closed", func() bool {
		e, err := a.Connected(s.ctx, b.Conn())
		s.must(err)
		return e == view.Closed
	})
	ctx, cancel := context.WithTimeout(s.ctx, 200*time.Millisecond)
	defer cancel()
	for _, c := range []protocol.Conn{{Server: "elsewhere", Client: a.Conn().Client}, {}} {
		if e, err := a.Connected(ctx, c); e != view.Unknown || err != nil {
			t.Errorf("connection of a server that is not there: %v, %v", e, err)
		}
	}
}

func announceKeepsOrder(t *testing.T, s *setup) {
	const n = 200
	a, _ := s.open("a")
	var mu sync.Mutex
	var got []string
	s.sys.Subscribe(s, s.subjects.Mode(">"), func(_ string, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(data))
	})
	var msgs []coordinator.Message
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		msgs = append(msgs, coordinator.Message{Subject: s.subjects.Mode(key(i)), Data: []byte(want[i])})
	}
	s.eventually("the subscriber is known everywhere", func() bool {
		s.must(a.Announce([]coordinator.Message{{Subject: s.subjects.Mode("first"), Data: []byte("first")}}))
		mu.Lock()
		defer mu.Unlock()
		return len(got) > 0
	})
	s.must(a.Announce(msgs[:n/2]))
	tooLarge := coordinator.Message{Subject: s.subjects.Mode("large"), Data: make([]byte, 2<<20)}
	if err := a.Announce(append([]coordinator.Message{tooLarge}, msgs[n/2:]...)); err == nil {
		t.Error("nothing is said of a message that is too large")
	}
	s.eventually("all are heard", func() bool { mu.Lock(); defer mu.Unlock(); return got[len(got)-1] == want[n-1] })
	mu.Lock()
	defer mu.Unlock()
	got = slices.DeleteFunc(got, func(s string) bool { return s == "first" })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("heard %v", got)
	}
}

func controlIsRelayed(t *testing.T, s *setup) {
	a, heard := s.open("a")
	s.open("b")
	heard.controlFunc = func(verb string, data []byte, answer func([]byte, *protocol.Problem)) {
		go func() {
			switch verb {
			case protocol.VerbInfo:
				answer(nil, &protocol.Problem{Code: 404, Message: "no such child", Try: "ls"})
			case protocol.VerbMove:
				answer([]byte(`{"more":1}`), &protocol.Problem{Code: 409, Message: "no"})
			default:
				answer(append([]byte(verb+" "), data...), nil)
			}
		}()
	}
	s.must(a.Lead(s.ctx, true))
	for _, verb := range []string{protocol.VerbStart, protocol.VerbStop, protocol.VerbList, protocol.VerbNodes, protocol.VerbStatus} {
		got := s.ask(s.subjects.Control(verb), []byte("{}"))
		if string(got.Data) != verb+" {}" || len(got.Header[protocol.HeaderErrorCode]) != 0 {
			t.Errorf("%s: %s, %v", verb, got.Data, got.Header)
		}
	}
	got := s.ask(s.subjects.Control(protocol.VerbInfo), nil)
	if code := got.Header[protocol.HeaderErrorCode]; !slices.Equal(code, []string{"404"}) || !bytes.Contains(got.Data, []byte("no such child")) {
		t.Errorf("info: %s, %v", got.Data, got.Header)
	}
	if text := got.Header[protocol.HeaderError]; !slices.Equal(text, []string{"no such child; try: ls"}) {
		t.Errorf("info: error %q", text)
	}
	got = s.ask(s.subjects.Control(protocol.VerbMove), nil)
	if code := got.Header[protocol.HeaderErrorCode]; !slices.Equal(code, []string{"409"}) || string(got.Data) != `{"more":1}` {
		t.Errorf("move: %s, %v", got.Data, got.Header)
	}
}

func controlWaitsForACoordinator(t *testing.T, s *setup) {
	a, heard := s.open("a")
	heard.controlFunc = func(_ string, _ []byte, answer func([]byte, *protocol.Problem)) { answer([]byte("late"), nil) }
	answered := make(chan Reply, 1)
	go func() { answered <- s.ask(s.subjects.Control(protocol.VerbStatus), nil) }()
	select {
	case got := <-answered:
		t.Errorf("answered without a coordinator: %s %v", got.Data, got.Header)
	case <-time.After(100 * time.Millisecond): // the request is on its way
	}
	s.must(a.Lead(s.ctx, true))
	if got := <-answered; string(got.Data) != "late" {
		t.Errorf("answer %s %v", got.Data, got.Header)
	}
}
