package view

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/phub-io/phub/protocol"
)

// access is one way to use a bucket.
type access struct {
	bucket protocol.Bucket
	read   bool
}

// trouble is what NATS says when it refuses what this node asks of a bucket, or that it says nothing.
type trouble struct {
	text     string
	rejected bool          // NATS said so; else it was silent
	since    time.Duration // when it began, or was interrupted by a success
	last     time.Duration // when it was seen last
	pause    time.Duration // after that, until the next try
	told     []string      // texts that the log has already
}

const (
	// silence is how long a stream may say nothing until that is told.
	silence = time.Second
	// electionMost is how long a stream may say nothing until it is not taken for an election any more, which takes 4 to 9 s.
	electionMost = 10 * time.Second
	// troubleOver is how long after it was seen last a trouble is over, if what was tried since succeeded; and untried is for how
	// long it stands if nothing was.
	troubleOver = 10 * time.Second
	untried     = time.Minute

	rejectedFirst = 50 * time.Millisecond // the pause after a first refusal; doubled with each
	rejectedMost  = time.Second
	// causeWait is for how long a request waits that rests on what NATS refuses.
	causeWait = time.Second
	// toldMost is how many texts of one trouble are kept.
	toldMost = 16
)

// tried takes how an operation on a bucket ended. What is wrong reaches the log once, however often it is tried.
func (m *Machine) tried(b protocol.Bucket, read bool, o Outcome, cause string) {
	a := access{b, read}
	t := m.troubles[a]
	if o == Done || o == Conflict {
		if t != nil {
			t.since = m.now.Mono
		}
		return
	}
	if cause == "" {
		return
	}
	if t == nil {
		t = &trouble{since: m.now.Mono}
		m.troubles[a] = t
	}
	t.text, t.rejected, t.last = protocol.Cut(cause, protocol.MaxText), o == Rejected, m.now.Mono
	if t.pause = min(2*t.pause, rejectedMost); !t.rejected {
		t.pause = 0
	} else if t.pause == 0 {
		t.pause = rejectedFirst
	}
	if t.known() && !slices.Contains(t.told, t.text) {
		if len(t.told) == toldMost {
			t.told = t.told[1:]
		}
		t.told = append(t.told, t.text)
		m.note(Warn, "NATS does not do what the hub needs: %s", t.text)
	}
}

// known reports whether it is more than a moment's silence.
func (t *trouble) known() bool { return t.rejected || t.last-t.since >= silence }

// lasts reports whether waiting for it to pass is no use.
func (t *trouble) lasts() bool { return t.rejected || t.last-t.since >= electionMost }

// troublesDue ends the troubles that are over.
func (m *Machine) troublesDue() {
	for a, t := range m.troubles {
		if over := m.now.Mono - t.last; t.since > t.last && over >= troubleOver || over >= untried {
			if len(t.told) > 0 {
				m.note(Info, "NATS does what the hub needs again; it was: %s", t.text)
			}
			delete(m.troubles, a)
		}
	}
}

// holdsBack reports whether a write to a bucket was refused a moment ago: the next one waits.
func (m *Machine) holdsBack(b protocol.Bucket) bool {
	t := m.troubles[access{b, false}]
	return t != nil && !m.cfg.Unsafe.NoBackOff && t.pause > 0 && m.now.Mono < t.last+t.pause
}

// noteWrite notes what a write to the nodes bucket is for, unless the log has it that such writes fail: then it is tried again and
// again.
func (m *Machine) noteWrite(format string, args ...any) {
	if t := m.troubles[access{protocol.NodesBucket, false}]; t == nil || !t.known() || t.since > t.last {
		m.note(Warn, format, args...)
	}
}

// Troubles returns what NATS refuses this node, in NATS's own words, or does not answer, sorted; at most protocol.MaxTrouble. A
// refusal stays for some seconds after it was seen last.
func (m *Machine) Troubles() []string {
	var texts []string
	for _, t := range m.troubles {
		if t.known() {
			texts = append(texts, t.text)
		}
	}
	if m.neighbour.heard > 0 && m.heardOfOther() && m.Member() {
		texts = append(texts, protocol.Cut(m.neighbourText(), protocol.MaxText))
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return texts[:min(len(texts), protocol.MaxTrouble)]
}

// blocked says what keeps this node from writing to one of the buckets, or from reading it, if that won't pass by itself; or "".
func (m *Machine) blocked(buckets ...protocol.Bucket) string {
	return m.standing((*trouble).lasts, buckets...)
}

// standing returns the texts of the buckets' troubles that are not over and of a kind; or "".
func (m *Machine) standing(is func(*trouble) bool, buckets ...protocol.Bucket) string {
	var texts []string
	for _, b := range buckets {
		for _, read := range []bool{false, true} {
			if t := m.troubles[access{b, read}]; t != nil && t.since <= t.last && is(t) {
				texts = append(texts, t.text)
			}
		}
	}
	return strings.Join(texts, "; ")
}

// blockedDue answers those who wait for what NATS refuses: they are told why, and that the outcome is unknown.
func (m *Machine) blockedDue() {
	cause := m.blocked(protocol.ChildrenBucket, protocol.PlacementBucket)
	if !m.acts() {
		cause = m.blocked(protocol.Buckets[:]...)
	}
	if cause == "" {
		return
	}
	w := &m.lead.waits
	w.all = slices.DeleteFunc(w.all, func(c *wait) bool {
		var told []asker
		c.askers = slices.DeleteFunc(c.askers, func(a asker) bool {
			long := m.now.Mono >= a.patient
			if long {
				told = append(told, a)
			}
			return long
		})
		if len(told) > 0 {
			m.answerAskers(c, told, unknownResults(c, cause))
		}
		return len(c.askers) == 0
	})
}

// unknownResults says of each child that was to be changed that it is unknown whether it is.
func unknownResults(c *wait, cause string) []protocol.ChildResult {
	results := slices.Clone(c.results)
	for _, i := range c.begun {
		results[i].Error = c.unknown(results[i].Child, cause)
	}
	return results
}

// unknown says of a child that it is unknown whether it is changed.
func (c *wait) unknown(child, cause string) *protocol.Problem {
	return notStored("whether the " + c.request.verb + " of child " + child + " takes effect is unknown: " + cause)
}

// notStored is an answer to who asks for what NATS refuses.
func notStored(message string) *protocol.Problem {
	return &protocol.Problem{Code: protocol.CodeNotStored, Message: protocol.Cut(message, protocol.MaxText), Try: "phub doctor; then the same again, once NATS stores what the hub writes"}
}

// acts reports whether the coordinator may act at this moment.
func (m *Machine) acts() bool {
	return m.ready() && (m.authority() || m.cfg.Unsafe.ActAnyway) && !m.lead.inherits
}

// cannotAct is the answer while the coordinator can't act. Its state can be asked for nevertheless, if NATS is what keeps it
// from acting: that is what people look at then.
func (m *Machine) cannotAct(verb string) (any, *protocol.Problem) {
	const what = "the coordinator can't act at this moment"
	cause := m.blocked(protocol.Buckets[:]...)
	switch {
	case cause != "" && verb == protocol.VerbStatus: // what it had read when it took the role
		return m.status(), nil
	case cause != "":
		return nil, notStored(what + ", nothing was done: " + cause)
	}
	if t := m.Troubles(); len(t) > 0 {
		return nil, &protocol.Problem{Code: protocol.CodeHubNotServed, Message: protocol.Cut(what+": "+strings.Join(t, "; "), protocol.MaxText), Try: "again"}
	}
	return nil, &protocol.Problem{Code: protocol.CodeHandedOn, Message: what + "; nothing was done", Try: "again"}
}

// refusesSpecs says why nothing that changes specs is begun: what was asked for before it can't be written. Nil if it can.
func (m *Machine) refusesSpecs() *protocol.Problem {
	d := &m.lead.desired
	cause := m.blocked(protocol.ChildrenBucket)
	if cause == "" || d.op == nil && len(d.queue) == 0 {
		return nil
	}
	return notStored("nothing was done: " + cause)
}

// statusTroubles is how many different troubles the status has at most.
const statusTroubles = 20

// troubleOf returns what the members say that NATS refuses them, sorted, with the names of those whom it refuses the same.
func (m *Machine) troubleOf() []string {
	nodes := map[string][]string{}
	for _, x := range m.history.View().Members {
		texts := m.Troubles()
		if x.Node != m.self.Node {
			r, _ := m.reportOf(x.Node)
			texts = r.Trouble
		}
		for _, t := range texts {
			nodes[t] = append(nodes[t], x.Node)
		}
	}
	var all []string
	for _, text := range sortedKeys(nodes) {
		if len(all) < statusTroubles {
			all = append(all, namesText(nodes[text])+": "+text)
		}
	}
	return all
}

// namesText lists the first of some names.
func namesText(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
	}
	return strings.Join(names, ", ")
}
