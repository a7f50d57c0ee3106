package history

import "fmt"

// checkOverlaps checks OneActive over the handlings of one child, in order of start.
func checkOverlaps(hs []handling) []Violation {
	var vs []Violation
	var last []handling // of each replica, the handling that ends last
	for _, x := range hs {
		mine := -1
		for i, l := range last {
			switch {
			case l.Replica == x.Replica:
				mine = i
			case l.end > x.At:
				vs = append(vs, Violation{OneActive, x.Child, fmt.Sprintf("%v, while %v", x, l)})
			}
		}
		switch {
		case mine < 0:
			last = append(last, x)
		case last[mine].end < x.end:
			last[mine] = x
		}
	}
	return vs
}

// checkEpochs checks NoStale and OneOwner over the handlings of one child, in order of start.
func checkEpochs(hs []handling, sent map[string]Sent, pauses []Pause) []Violation {
	var vs []Violation
	owner := map[uint64]string{}
	excused := map[Pause]bool{}
	var newest handling
	for _, x := range hs {
		if o, known := owner[x.Epoch]; known && o != x.Node {
			vs = append(vs, Violation{OneOwner, x.Child, fmt.Sprintf("%v, but the epoch is %s's", x, o)})
		} else {
			owner[x.Epoch] = x.Node
		}
		switch {
		case x.Epoch >= newest.Epoch:
			newest = x
		case !excuse(x, sent[x.ID], pauses, excused):
			vs = append(vs, Violation{NoStale, x.Child, fmt.Sprintf("%v, after %v", x, newest)})
		}
	}
	return vs
}

// excuse reports whether x is the one request of a pause that had passed the last check before its
// process stopped.
func excuse(x handling, s Sent, pauses []Pause, excused map[Pause]bool) bool {
	for _, p := range pauses {
		if p.PID == x.PID && p.To != 0 && x.At > p.Stopped && s.ID == x.ID && s.At <= p.Stopped && !excused[p] {
			excused[p] = true
			return true
		}
	}
	return false
}

// checkSent checks Kept, Once and Known.
func checkSent(sent []Sent, hs []handling) []Violation {
	var vs []Violation
	byID := make(map[string][]handling, len(hs))
	for _, x := range hs {
		byID[x.ID] = append(byID[x.ID], x)
	}
	for _, s := range sent {
		got := byID[s.ID]
		delete(byID, s.ID)
		if len(got) > 1 {
			vs = append(vs, Violation{Once, s.Child, fmt.Sprintf("%v, and %v", got[0], got[1])})
		}
		if len(got) > 0 && (got[0].At < s.At || got[0].Child != s.Child) {
			vs = append(vs, Violation{Known, s.Child, fmt.Sprintf("%v, but it was sent to %s at %d", got[0], s.Child, s.At)})
		}
		if s.Outcome == OK && !kept(s, got) {
			vs = append(vs, Violation{Kept, s.Child, fmt.Sprintf("%s was acknowledged by %s in epoch %d; handled: %v", s.ID, s.Node, s.Epoch, got)})
		}
	}
	for _, x := range hs {
		if _, unknown := byID[x.ID]; unknown {
			vs = append(vs, Violation{Known, x.Child, fmt.Sprintf("%v, but nobody sent it", x)})
		}
	}
	return vs
}

func kept(s Sent, got []handling) bool {
	for _, x := range got {
		if x.done && x.Node == s.Node && x.Epoch == s.Epoch {
			return true
		}
	}
	return false
}
