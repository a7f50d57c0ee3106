package sim

import (
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// The time limits of the coordinator's loop.
const (
	shortWait    = 500 * ms
	shortDoubled = 2
	beatWait     = 5 * sec
	askWait      = 250 * ms
	batchWait    = 3 * sec
	loadWait     = sec // doubled with each try
	loadMost     = 30 * sec
)

// carryOut does what the machine wants, as the coordinator's loop does.
func (p *process) carryOut(a view.Action) {
	switch a := a.(type) {
	case view.SetTrust:
		p.w.logf(p.name, "trust until %v (now %v) %s", a.Until, time.Duration(p.local()), a.Reason)
		p.host.trust(int64(a.Until), a.Reason)
	case view.Assign:
		p.w.logf(p.name, "assign view %d, %d changes, reset=%t", a.View, len(a.Changes), a.Reset)
		p.host.assign(a.View, a.Changes, a.Reset)
	case view.Members:
		p.host.peers = peers{self: a.Self.ID, ids: map[string]string{}}
		for _, x := range a.Members {
			p.host.peers.ids[x.Node] = x.ID
		}
	case view.AnswerBeat:
		if answer := p.beats[a.ID]; answer != nil {
			delete(p.beats, a.ID)
			answer(seal(p, a.Answer.Coordinator.ID, a.Answer))
		}
	case view.AnswerControl:
		for _, id := range a.IDs {
			if answer := p.controls[id]; answer != nil {
				delete(p.controls, id)
				answer(a)
			}
		}
	case view.Probe:
		p.probe(a.Node)
	case view.Wake:
		p.wakeNode(a.Node)
	case view.Refused:
		p.refused(a.Problem)
	case view.HasLeft:
		p.hasLeft()
	case view.Note:
		p.w.tell(p.name, "says: %s", a.Text)
	case view.AnnounceMode, view.AnnounceEvent, view.Admitted, view.StandIn:
	default:
		p.begin(a)
	}
}

// begin starts what is done beside the loop.
func (p *process) begin(a view.Action) {
	c := p.conn
	if c == nil {
		return
	}
	switch a := a.(type) {
	case view.Load:
		done := p.beside(min(loadWait<<min(a.Try, 8), loadMost), view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Outcome: view.OutcomeUnknown})
		r := &reading{s: p.w.streams[a.Bucket], c: c, after: a.After}
		r.fail = func() { done(view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Outcome: view.OutcomeUnknown}) }
		r.done = func(records []view.Record, last uint64) {
			done(view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Records: records, Last: last})
		}
		r.begin()
	case view.ReadKey:
		done := p.beside(shortWait<<min(a.Try, shortDoubled), view.KeyRead{Bucket: a.Bucket, Key: a.Key, Outcome: view.OutcomeUnknown})
		s := p.w.streams[a.Bucket]
		s.read(c, func(keys map[string]view.Record, _ uint64) func() {
			r := keys[a.Key]
			return func() { done(view.KeyRead{Bucket: a.Bucket, Key: a.Key, Known: a.Known, Record: r}) }
		})
	case view.WriteNode:
		p.writeNode(c, a)
	case view.DropNode:
		p.write(c, protocol.NodesBucket, []view.Write{{Key: a.Node, Delete: true, Last: a.Last}}, func(rev uint64, o view.Outcome, cause string) view.Event {
			return view.NodeDropped{Drop: a, Revision: rev, Outcome: o, Cause: cause}
		})
	case view.CommitWrites:
		p.write(c, protocol.PlacementBucket, a.Writes, func(rev uint64, o view.Outcome, cause string) view.Event {
			return view.Committed{Nonce: a.Nonce, Revision: rev, Outcome: o, Cause: cause}
		})
	case view.WriteSpecs:
		p.write(c, protocol.ChildrenBucket, a.Writes, func(rev uint64, o view.Outcome, cause string) view.Event {
			return view.SpecsWritten{ID: a.ID, Revision: rev, Outcome: o, Cause: cause}
		})
	case view.SendBeat:
		p.sendBeat(c, a)
	case view.Ping:
		done := p.beside(int64(protocol.Contact), view.Pinged{Outcome: view.OutcomeUnknown})
		c.ping(func() { done(view.Pinged{}) })
	case view.AskConn:
		done := p.beside(askWait, view.ConnAnswered{Node: a.Node, Conn: a.Conn})
		p.w.evidence(c, a.Conn, func(e view.Evidence) {
			if e == view.Open || e == view.Closed {
				done(view.ConnAnswered{Node: a.Node, Conn: a.Conn, Evidence: e})
			}
		})
	case view.Kick:
		done := p.beside(askWait, view.Kicked{Node: a.Node, Conn: a.Conn, Outcome: view.OutcomeUnknown})
		p.w.kick(c, a, func(o view.Outcome) { done(view.Kicked{Node: a.Node, Conn: a.Conn, Outcome: o}) })
	case view.Lead:
		c.leads = a.On
		if p.w.chance(p.w.unflushed) {
			p.after(p.w.between(0, sec), func() { c.lead = c.leads })
			if done := p.beside(shortWait, view.LeadFailed{}); !a.On {
				done(view.Tick{})
			}
			return
		}
		p.after(p.w.latency(), func() { c.lead = c.leads })
	}
}

// beside returns a function that gives a result to the loop, unless the time limit came first: then the
// loop gets what is late.
func (p *process) beside(limit int64, late view.Event) func(view.Event) {
	session, over := p.session, false
	end := func(e view.Event) {
		if !over && p.session == session {
			over = true
			p.loop(e)
		}
	}
	p.after(limit, func() { end(late) })
	return end
}

func (p *process) writeNode(c *conn, a view.WriteNode) {
	done := p.beside(shortWait<<min(a.Try, shortDoubled), view.NodeWritten{Write: a, Outcome: view.OutcomeUnknown})
	s := p.w.streams[protocol.NodesBucket]
	p.w.logf(p.name, "writes its record or a fence: %s %s %s beat %d over %d", a.Record.Node, a.Record.ID, a.Record.Status, a.Record.Beat, a.Last)
	s.ask(c, func() func() {
		rev, o, cause := s.take(p, []view.Write{{Key: a.Record.Node, Value: encode(a.Record), Last: a.Last}})
		return func() { done(view.NodeWritten{Write: a, Revision: rev, Outcome: o, Cause: cause}) }
	})
}

func (p *process) write(c *conn, b protocol.Bucket, writes []view.Write, result func(uint64, view.Outcome, string) view.Event) {
	limit := batchWait
	if len(writes) == 1 {
		limit = shortWait
	}
	done := p.beside(limit, result(0, view.OutcomeUnknown, ""))
	s := p.w.streams[b]
	s.ask(c, func() func() {
		rev, o, cause := s.take(p, writes)
		return func() { done(result(rev, o, cause)) }
	})
}

// sendBeat sends a heartbeat to all that listen as the coordinator. The first answer counts that is one to it, and that was signed
// by the coordinator that it names.
func (p *process) sendBeat(c *conn, a view.SendBeat) {
	b := a.Beat
	b.Report = p.host.reportNow().AlsoWaiting(a.Missing)
	done := p.beside(beatWait, view.BeatAnswered{Number: b.Number, Outcome: view.OutcomeUnknown})
	answered := false
	session := p.session
	p.after(shortWait, func() {
		if !answered && p.session == session {
			p.loop(view.BeatAnswered{Number: b.Number, Outcome: view.OutcomeUnknown})
		}
	})
	to := p.w.listeners(c, func(x *conn) bool { return x.lead })
	if len(to) == 0 {
		p.w.in(p.w.latency(), func() {
			p.w.hand(c, func() {
				answered = true
				done(view.BeatAnswered{Number: b.Number, Outcome: view.NobodyListens})
			})
		})
	}
	m := seal(p, b.ID, b)
	take := func(a sealed[protocol.BeatAnswer]) {
		if (a.by == a.msg.Coordinator.ID || p.w.unsafe.BelieveAnswers) && (a.msg.Answers(&b) || p.w.unsafe.OldAnswers) {
			answered = true
			done(view.BeatAnswered{Number: b.Number, Answer: a.msg})
		}
	}
	p.w.stranger.heardBeat(c, m, take)
	for _, x := range to {
		p.w.send(c, x, func() {
			x.proc.received(m, func(a sealed[protocol.BeatAnswer]) {
				p.w.stranger.heardAnswer(a)
				p.w.send(x, c, func() { take(a) })
			})
		})
	}
}

// received takes a heartbeat that the incarnation which it names signed.
func (p *process) received(m sealed[protocol.Beat], answer func(sealed[protocol.BeatAnswer])) {
	b := m.msg
	if m.by != b.ID && !p.w.unsafe.BelieveBeats {
		return
	}
	p.inLoop(func() {
		p.requests++
		id := p.requests
		p.beats[id] = answer
		p.step(view.BeatReceived{ID: id, Beat: b})
		p.do(func() { delete(p.beats, id) })
	})
}

func (p *process) control(verb string, data []byte, answer func(view.AnswerControl)) {
	p.inLoop(func() {
		p.requests++
		id := p.requests
		p.controls[id] = answer
		p.step(view.ControlReceived{ID: id, Verb: verb, Data: data})
	})
}

// probe finds out whether anybody listens for a node.
func (p *process) probe(node string) {
	c := p.conn
	if c == nil || len(p.w.listeners(c, func(x *conn) bool { return x.proc != nil && x.proc.name == node })) > 0 {
		return
	}
	p.w.in(p.w.latency(), func() {
		if c.outAt <= p.w.now {
			p.w.hand(c, func() { p.loop(view.NobodyThere{Node: node}) })
		}
	})
}

func (p *process) wakeNode(node string) {
	c := p.conn
	if c == nil {
		return
	}
	for _, x := range p.w.listeners(c, func(x *conn) bool { return x.proc != nil && x.proc.name == node }) {
		p.w.in(p.w.latency(), func() { p.w.hand(x, func() { x.proc.loop(view.Woken{}) }) })
	}
}

// leave stops the running side, then leaves the hub in order.
func (p *process) leave() {
	if p.leaving {
		return
	}
	p.leaving = true
	p.w.tell(p.name, "leaves")
	p.host.stopAll(func() {
		p.mayLeave = true
		if p.conn != nil {
			p.inLoop(func() { p.step(view.Leave{}) })
		}
	})
}

// refused ends the process, as the program does that is told so; somebody starts it again.
func (p *process) refused(why protocol.Problem) {
	p.w.tell(p.name, "process %d is refused for good, and ends: %s", p.number, why.Message)
	if !p.w.taken(p) {
		p.w.breach(RuleJoin, "%s (process %d) is refused: %s", p.name, p.number, why.Message)
	}
	c := p.conn
	p.host.detach()
	p.w.in(p.w.between(0, 2*ms), c.ends)
	p.end()
	p.w.in(sec, func() { p.w.boot(p.name) })
}

// taken reports whether another process of the name lived lately. It needs to have done so until a
// lease before the refusal; what it sent may be on its way for some time.
func (w *world) taken(p *process) bool {
	return slices.ContainsFunc(w.procs, func(x *process) bool {
		return x != p && x.name == p.name && (!x.gone || w.now-x.endedAt < 2*int64(w.plan.Config.Lease)+10*sec)
	})
}

func (p *process) hasLeft() {
	p.left = true
	p.w.tell(p.name, "has left")
	c := p.conn
	p.host.detach()
	if c != nil {
		p.w.in(p.w.between(0, 2*ms), c.ends)
	}
	p.end()
}
