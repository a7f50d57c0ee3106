package history

import (
	"cmp"
	"fmt"
	"slices"
)

// Rule is what a violation violates.
type Rule string

// The rules.
const (
	// OneActive: two replicas of a child never handle requests at the same instant.
	OneActive Rule = "one active"
	// NoStale: once a request was handled in an epoch, none begins to be handled in a smaller one.
	NoStale Rule = "no stale epoch"
	// OneOwner: an epoch of a child belongs to one node.
	OneOwner Rule = "one owner of an epoch"
	// Kept: an acknowledged request was handled to its end, where and in the epoch that the answer says.
	Kept Rule = "acknowledged means handled"
	// Once: no try of a request is handled twice.
	Once Rule = "handled once"
	// Known: what was handled had been sent before.
	Known Rule = "only what was sent"
	// Sound: the records themselves make sense.
	Sound Rule = "sound records"
)

// Violation says which rule was broken, by what.
type Violation struct {
	Rule  Rule
	Child string
	Text  string
}

// String returns one line.
func (v Violation) String() string { return fmt.Sprintf("%s: %s: %s", v.Rule, v.Child, v.Text) }

// handling is one request in the hands of one replica.
type handling struct {
	Line       // the one that started it
	end  int64 // cut off at the first pause or the death of its process
	done bool  // its end was logged
}

func (h handling) String() string {
	return fmt.Sprintf("%s on %s (%s, epoch %d) from %d to %d", h.ID, h.Node, h.Replica, h.Epoch, h.At, h.end)
}

// Check returns what in h violates a rule; nil is what one wants to see. Two things are excused,
// because nobody outside can prevent them:
//
//   - a handler whose process is stopped in the middle goes on when it wakes: its time counts up to
//     the stop;
//   - one request for each child and pause that had been sent before the process stopped may begin
//     after the wake: the stop fell between the last look at the lease and the worker's first
//     instruction.
func Check(h History) []Violation {
	hs, vs := h.handlings()
	byChild := map[string][]handling{}
	for _, x := range hs {
		byChild[x.Child] = append(byChild[x.Child], x)
	}
	sent := make(map[string]Sent, len(h.Sent))
	for _, s := range h.Sent {
		sent[s.ID] = s
	}
	children := make([]string, 0, len(byChild))
	for child := range byChild {
		children = append(children, child)
	}
	slices.Sort(children)
	for _, child := range children {
		vs = append(vs, checkOverlaps(byChild[child])...)
		vs = append(vs, checkEpochs(byChild[child], sent, h.Pauses)...)
	}
	return append(vs, checkSent(h.Sent, hs)...)
}

// handlings joins starts and ends, in order of start.
func (h History) handlings() ([]handling, []Violation) {
	type key struct{ id, replica string }
	var vs []Violation
	var hs []handling
	open := map[key]int{}
	for _, l := range inOrder(h.Lines) {
		k := key{l.ID, l.Replica}
		i, started := open[k]
		switch {
		case l.Phase == Start && !started:
			open[k] = len(hs)
			hs = append(hs, handling{Line: l})
		case l.Phase == End && started && !hs[i].done:
			hs[i].end, hs[i].done = l.At, true
		default:
			vs = append(vs, Violation{Sound, l.Child, fmt.Sprintf("%s of %s by %s at %d does not fit what was logged before", l.Phase, l.ID, l.Replica, l.At)})
		}
	}
	for i := range hs {
		hs[i].end = h.cut(hs[i])
	}
	return hs, vs
}

func inOrder(lines []Line) []Line {
	return slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int {
		if a.At == b.At && a.Phase != b.Phase {
			return cmp.Compare(b.Phase, a.Phase) // "start" before "end"
		}
		return cmp.Compare(a.At, b.At)
	})
}

// cut returns until when x counts as being handled.
func (h History) cut(x handling) int64 {
	end := x.end
	if !x.done {
		end = h.Now
		for _, d := range h.Deaths {
			if d.PID == x.PID {
				end = min(end, d.At)
			}
		}
	}
	for _, p := range h.Pauses {
		if p.PID == x.PID && x.At <= p.Stopped && p.From < end {
			end = p.From
		}
	}
	return max(end, x.At)
}
