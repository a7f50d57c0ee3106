package history_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phub-io/phub/e2e/history"
)

// story builds a history; replica "a1" runs on node "a" in the process that its name ends with.
type story struct{ history.History }

func (s *story) sent(id string, at, done int64, by string, epoch uint64) {
	s.Sent = append(s.Sent, history.Sent{ID: id, Child: "c", At: at, Done: done, Outcome: history.OK, Node: by[:1], Epoch: epoch})
}

func (s *story) failed(id string, at int64) {
	s.Sent = append(s.Sent, history.Sent{ID: id, Child: "c", At: at, Done: at + 50, Outcome: "no responders"})
}

func (s *story) line(p history.Phase, id, by string, epoch uint64, at int64) {
	s.Lines = append(s.Lines, history.Line{At: at, Phase: p, ID: id, Child: "c", Node: by[:1], Replica: by, Epoch: epoch, PID: int(by[1])})
}

func (s *story) handled(id, by string, epoch uint64, from, to int64) {
	s.line(history.Start, id, by, epoch, from)
	s.line(history.End, id, by, epoch, to)
}

// served is an acknowledged request that was handled from one instant to another.
func (s *story) served(id, by string, epoch uint64, from, to int64) {
	s.sent(id, from-5, to+5, by, epoch)
	s.handled(id, by, epoch, from, to)
}

func TestCheck_PassesGoodHistories(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(s *story){
		"nothing happened": func(*story) {},
		"one after the other": func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.served("2", "a1", 1, 20, 30)
			s.served("3", "b2", 2, 30, 40)
		},
		"two at once in one replica": func(s *story) {
			s.served("1", "a1", 1, 10, 30)
			s.served("2", "a1", 1, 20, 40)
		},
		"killed in the middle": func(s *story) {
			s.failed("1", 5)
			s.line(history.Start, "1", "a1", 1, 10)
			s.Deaths = []history.Death{{PID: '1', At: 50}}
			s.served("2", "b2", 2, 60, 70)
		},
		"paused in the middle, then ended late": func(s *story) {
			s.failed("1", 5)
			s.handled("1", "a1", 1, 10, 900)
			s.Pauses = []history.Pause{{PID: '1', From: 20, Stopped: 21, To: 890}}
			s.served("2", "b2", 2, 60, 70)
		},
		"paused between the last check and the worker": func(s *story) {
			s.failed("1", 5)
			s.handled("1", "a1", 1, 895, 896)
			s.Pauses = []history.Pause{{PID: '1', From: 20, Stopped: 21, To: 890}}
			s.served("2", "b2", 2, 60, 70)
		},
		"the same node again in a newer epoch": func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.served("2", "b2", 2, 30, 40)
			s.served("3", "a3", 3, 50, 60)
		},
		"handled, but the answer was lost": func(s *story) {
			s.failed("1", 5)
			s.handled("1", "a1", 1, 10, 20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &story{history.History{Now: 1000}}
			tell(s)
			if vs := history.Check(s.History); len(vs) > 0 {
				t.Errorf("violations in a good history: %v", vs)
			}
		})
	}
}

func TestCheck_FailsBadHistories(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rule history.Rule
		tell func(s *story)
	}{
		"two handle at once": {history.OneActive, func(s *story) {
			s.served("1", "a1", 1, 10, 30)
			s.served("2", "b2", 2, 20, 40)
		}},
		"a long one is still handled, after a short one of the same replica": {history.OneActive, func(s *story) {
			s.served("1", "a1", 1, 10, 90)
			s.served("2", "a1", 1, 20, 30)
			s.served("3", "b2", 2, 50, 60)
		}},
		"two replicas of one node at once": {history.OneActive, func(s *story) {
			s.served("1", "a1", 1, 10, 30)
			s.served("2", "a2", 1, 20, 40)
		}},
		"one never ended and lives": {history.OneActive, func(s *story) {
			s.failed("1", 5)
			s.line(history.Start, "1", "a1", 1, 10)
			s.served("2", "b2", 2, 60, 70)
		}},
		"one ended after its death was seen by nobody": {history.OneActive, func(s *story) {
			s.failed("1", 5)
			s.line(history.Start, "1", "a1", 1, 10)
			s.Deaths = []history.Death{{PID: '1', At: 65}}
			s.served("2", "b2", 2, 60, 70)
		}},
		"overlap before the pause": {history.OneActive, func(s *story) {
			s.failed("1", 5)
			s.handled("1", "a1", 1, 10, 900)
			s.Pauses = []history.Pause{{PID: '1', From: 65, Stopped: 66, To: 890}}
			s.served("2", "b2", 2, 60, 70)
		}},
		"an old epoch serves again": {history.NoStale, func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.served("2", "b2", 2, 30, 40)
			s.served("3", "a1", 1, 50, 60)
		}},
		"a second one after the wake": {history.NoStale, func(s *story) {
			s.failed("1", 5)
			s.failed("2", 6)
			s.handled("1", "a1", 1, 895, 896)
			s.handled("2", "a1", 1, 897, 898)
			s.Pauses = []history.Pause{{PID: '1', From: 20, Stopped: 21, To: 890}}
			s.served("3", "b2", 2, 60, 70)
		}},
		"one from the buffer after the wake": {history.NoStale, func(s *story) {
			s.failed("1", 25)
			s.handled("1", "a1", 1, 895, 896)
			s.Pauses = []history.Pause{{PID: '1', From: 20, Stopped: 21, To: 890}}
			s.served("3", "b2", 2, 60, 70)
		}},
		"two nodes in one epoch": {history.OneOwner, func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.served("2", "b2", 1, 30, 40)
		}},
		"acknowledged, handled by nobody": {history.Kept, func(s *story) { s.sent("1", 5, 15, "a1", 1) }},
		"acknowledged, never ended": {history.Kept, func(s *story) {
			s.sent("1", 5, 15, "a1", 1)
			s.line(history.Start, "1", "a1", 1, 10)
		}},
		"acknowledged by another node": {history.Kept, func(s *story) {
			s.sent("1", 5, 25, "b1", 1)
			s.handled("1", "a1", 1, 10, 20)
		}},
		"acknowledged in another epoch": {history.Kept, func(s *story) {
			s.sent("1", 5, 25, "a1", 2)
			s.handled("1", "a1", 1, 10, 20)
		}},
		"one try handled twice": {history.Once, func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.handled("1", "b2", 2, 30, 40)
		}},
		"handled twice by one replica": {history.Sound, func(s *story) {
			s.served("1", "a1", 1, 10, 20)
			s.handled("1", "a1", 1, 30, 40)
		}},
		"nobody sent it": {history.Known, func(s *story) { s.handled("1", "a1", 1, 10, 20) }},
		"handled before it was sent": {history.Known, func(s *story) {
			s.sent("1", 15, 30, "a1", 1)
			s.handled("1", "a1", 1, 10, 20)
		}},
		"an end without a start": {history.Sound, func(s *story) { s.line(history.End, "1", "a1", 1, 10) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &story{history.History{Now: 1000}}
			tc.tell(s)
			vs := history.Check(s.History)
			if !slices.ContainsFunc(vs, func(v history.Violation) bool { return v.Rule == tc.rule && v.Child == "c" }) {
				t.Errorf("found %v, want a violation of %q", vs, tc.rule)
			}
		})
	}
}

func TestCheck_JudgesChildrenApart(t *testing.T) {
	t.Parallel()
	var h history.History
	for i, child := range []string{"x", "y"} {
		node := fmt.Sprint("node", i)
		h.Lines = append(h.Lines,
			history.Line{At: 10, Phase: history.Start, ID: child, Child: child, Node: node, Replica: node, Epoch: 7},
			history.Line{At: 20, Phase: history.End, ID: child, Child: child, Node: node, Replica: node, Epoch: 7})
		h.Sent = append(h.Sent, history.Sent{ID: child, Child: child, At: 5, Done: 25, Outcome: history.OK, Node: node, Epoch: 7})
	}
	if vs := history.Check(h); len(vs) > 0 {
		t.Errorf("two children on two nodes at once: %v", vs)
	}
}

func TestReadLines_LeavesOutALineThatIsCutOff(t *testing.T) {
	t.Parallel()
	lines, err := history.ReadLines(strings.NewReader(`{"t":1,"phase":"start","id":"1"}` + "\n" + `{"t":2,"ph`))
	if err != nil || len(lines) != 1 || lines[0].At != 1 {
		t.Errorf("got %v, %v, want the one whole line", lines, err)
	}
	if _, err := history.ReadLines(strings.NewReader("junk\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("got %v for junk, want an error that names the line", err)
	}
}

func TestServiceOf_FindsTheLongestGap(t *testing.T) {
	t.Parallel()
	ms := int64(time.Millisecond)
	sent := []history.Sent{
		{Child: "c", Done: 10 * ms, Outcome: history.OK, Node: "a"},
		{Child: "c", Done: 20 * ms, Outcome: "no responders"},
		{Child: "d", Done: 22 * ms, Outcome: history.OK, Node: "d"},
		{Child: "c", Done: 50 * ms, Outcome: history.OK, Node: "b"},
		{Child: "c", Done: 55 * ms, Outcome: history.OK, Node: "b"},
	}
	s := history.ServiceOf(sent, "c", 5*ms, 60*ms)
	if s.Gap != 40*time.Millisecond || s.First != "a" || s.Last != "b" || s.Sent != 4 {
		t.Errorf("got %+v, want a gap of 40ms from a to b in 4 tries", s)
	}
	if s := history.ServiceOf(sent, "c", 5*ms, 200*ms); s.Gap != 145*time.Millisecond {
		t.Errorf("got a gap of %v, want the 145ms at the end", s.Gap)
	}
}
