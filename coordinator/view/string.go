package view

import (
	"fmt"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// String returns the outcome in a word or two.
func (o Outcome) String() string {
	return [...]string{"done", "conflict", "nobody listens", "unknown", "rejected"}[o]
}

// String returns the evidence in a word.
func (e Evidence) String() string { return [...]string{"unknown", "open", "closed"}[e] }

// String returns the level in a word.
func (l Level) String() string { return [...]string{"info", "warn", "error"}[l] }

// String returns the bucket, the key and the revision.
func (r Record) String() string {
	s := fmt.Sprintf("%s/%s at %d", r.Bucket, r.Key, r.Revision)
	if r.Deleted {
		s += " deleted"
	}
	return s
}

func (Tick) String() string           { return "tick" }
func (e Connected) String() string    { return "connected as " + connText(e.Conn) }
func (e Beside) String() string       { return "connected beside as " + connText(e.Conn) }
func (Carried) String() string        { return "carried over" }
func (Disconnected) String() string   { return "disconnected" }
func (Drain) String() string          { return "drain" }
func (Leave) String() string          { return "leave" }
func (e RecordStored) String() string { return "stored " + e.Record.String() }
func (e ControlReceived) String() string {
	return fmt.Sprintf("control %d %s %s", e.ID, e.Verb, e.Data)
}
func (e RecordsMissed) String() string { return "records of " + string(e.Bucket) + " missed" }
func (Woken) String() string           { return "woken" }
func (LeadFailed) String() string      { return "lead failed" }
func (e NobodyThere) String() string   { return "nobody listens for " + e.Node }

func (e LocalReport) String() string {
	r := e.Report
	return fmt.Sprintf("report settled=%d waiting=%v failed=%v", r.Settled, r.Waiting, r.Failed)
}

func (e RecordsLoaded) String() string {
	return fmt.Sprintf("read %s: %d records, last %d: %s", e.Bucket, len(e.Records), e.Last, e.Outcome)
}

func (e KeyRead) String() string {
	return fmt.Sprintf("read %s/%s: revision %d: %s", e.Bucket, e.Key, e.Record.Revision, e.Outcome)
}

func (e NodeWritten) String() string {
	return fmt.Sprintf("wrote %s %s at %d: %s", e.Write.Record.Node, e.Write.Record.Status, e.Revision, e.Outcome)
}

func (e NodeDropped) String() string {
	return fmt.Sprintf("dropped %s at %d: %s", e.Drop.Node, e.Revision, e.Outcome)
}

func (e Committed) String() string {
	return fmt.Sprintf("committed %s at %d: %s", e.Nonce, e.Revision, e.Outcome)
}

func (e SpecsWritten) String() string {
	return fmt.Sprintf("wrote specs %d at %d: %s", e.ID, e.Revision, e.Outcome)
}

func (e BeatAnswered) String() string {
	if e.Outcome != Done {
		return fmt.Sprintf("beat %d: %s", e.Number, e.Outcome)
	}
	return fmt.Sprintf("beat %d: %s", e.Number, answerText(e.Answer))
}

func (e BeatReceived) String() string {
	return fmt.Sprintf("beat %d of %s", e.Beat.Number, inText(e.Beat.Incarnation))
}

func (e Pinged) String() string {
	return fmt.Sprintf("the server of %s is pinged: %v", connText(e.Conn), e.Outcome)
}

func (e ConnReported) String() string { return connText(e.Conn) + " is reported closed" }

func (e Kicked) String() string {
	return fmt.Sprintf("kick %s of %s: %v", connText(e.Conn), e.Node, e.Outcome)
}

func (e ConnAnswered) String() string {
	return fmt.Sprintf("connection %s of %s is %s", connText(e.Conn), e.Node, e.Evidence)
}

func (a Load) String() string    { return fmt.Sprintf("read %s after %d", a.Bucket, a.After) }
func (a ReadKey) String() string { return fmt.Sprintf("read %s/%s", a.Bucket, a.Key) }

func (a WriteNode) String() string {
	s := fmt.Sprintf("write %s %s over %d", inText(a.Record.Incarnation), a.Record.Status, a.Last)
	if a.Record.Reason != "" {
		s += ": " + a.Record.Reason
	}
	return s
}

func (a DropNode) String() string { return fmt.Sprintf("drop %s over %d", a.Node, a.Last) }

// String tells the view and the keys that are written with it.
func (a CommitWrites) String() string {
	last := a.Writes[len(a.Writes)-1]
	v, err := protocol.DecodeView(last.Value)
	if err != nil {
		return "commit: " + err.Error()
	}
	var members []string
	for _, x := range v.Members {
		members = append(members, x.Node)
	}
	s := fmt.Sprintf("commit view %d (%s): %s of %s", v.Number, v.Reason, v.Coordinator.Node, strings.Join(members, " "))
	if v.Resigned() {
		s += ", then " + v.Successor.Node
	}
	if keys := keysText(a.Writes[:len(a.Writes)-1]); keys != "" {
		s += "; " + keys
	}
	return s
}

func (a WriteSpecs) String() string { return "write specs " + keysText(a.Writes) }
func (a SendBeat) String() string   { return fmt.Sprintf("beat %d", a.Beat.Number) }
func (a AnswerBeat) String() string { return "answer " + answerText(a.Answer) }

func (a IgnoreControl) String() string { return fmt.Sprintf("ignore control %d", a.ID) }

func (a AnswerControl) String() string {
	if a.Problem != nil {
		return fmt.Sprintf("answer control %v: %v", a.IDs, a.Problem)
	}
	return fmt.Sprintf("answer control %v: %s", a.IDs, encode(a.Value))
}

func (a Wake) String() string  { return "wake " + a.Node }
func (a Ping) String() string  { return "ping the server of " + connText(a.Conn) }
func (Carry) String() string   { return "carry over" }
func (Retire) String() string  { return "retire the old connection" }
func (a Probe) String() string { return "probe " + a.Node }
func (a Kick) String() string  { return "kick " + connText(a.Conn) + " of " + a.Node }

func (a AskConn) String() string { return "ask for " + connText(a.Conn) + " of " + a.Node }
func (a Lead) String() string    { return fmt.Sprintf("lead %t", a.On) }

func (a SetTrust) String() string {
	if a.Until == 0 {
		return "no trust: " + a.Reason
	}
	return "trust until " + a.Until.String()
}

func (a Members) String() string {
	return fmt.Sprintf("members for %s: %d", a.Self.ID, len(a.Members))
}

func (a Assign) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "assign view %d", a.View)
	if a.Reset {
		s.WriteString(" from nothing")
	}
	for i := range a.Changes {
		s.WriteString("; " + assignmentText(&a.Changes[i]))
	}
	return s.String()
}

func (a AnnounceMode) String() string {
	x := a.Message
	return fmt.Sprintf("mode %s on %s: %s, epoch %d (%s)", x.Child, x.Node, x.Mode, x.Epoch, x.Reason)
}

func (a AnnounceEvent) String() string {
	x := a.Event
	words := []string{"event", string(x.Type)}
	for _, name := range []string{x.Child, x.Node} {
		if name != "" {
			words = append(words, name)
		}
	}
	if x.Reason != "" {
		words = append(words, "("+x.Reason+")")
	}
	return strings.Join(words, " ")
}

func (a Admitted) String() string     { return fmt.Sprintf("admitted in view %d", a.View) }
func (a Refused) String() string      { return "refused: " + a.Problem.Message }
func (HasLeft) String() string        { return "has left" }
func (a CountRefused) String() string { return "count refused: " + a.Reason.String() }

func (a Note) String() string { return a.Level.String() + ": " + a.Text }

func inText(in protocol.Incarnation) string { return in.Node + "/" + in.ID }

func connText(c protocol.Conn) string { return fmt.Sprintf("%s:%d", c.Server, c.Client) }

func answerText(a protocol.BeatAnswer) string {
	if a.Accepted {
		return fmt.Sprintf("accepted in view %d", a.View)
	}
	return fmt.Sprintf("refused: %s, %s", a.Refused, a.Detail)
}

func assignmentText(a *protocol.Assignment) string {
	if !a.Assigned {
		return a.Child + " none"
	}
	s := fmt.Sprintf("%s %s epoch %d", a.Child, a.Mode, a.Epoch)
	if len(a.After) > 0 {
		s += " after " + strings.Join(a.After, " ")
	}
	return s
}

// keysText lists the first keys of a batch, and says how many there are if not all.
func keysText(writes []Write) string {
	const most = 5
	var keys []string
	for i, w := range writes {
		if i == most {
			return strings.Join(keys, " ") + fmt.Sprintf(" and %d more", len(writes)-most)
		}
		if w.Delete {
			w.Key = "-" + w.Key
		}
		keys = append(keys, w.Key)
	}
	return strings.Join(keys, " ")
}
