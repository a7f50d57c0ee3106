package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

type (
	beatAnswer    func(protocol.BeatAnswer)
	controlAnswer func(data []byte, problem *protocol.Problem)
)

// input is an event with what answers it, if it is a request.
type input struct {
	event   view.Event
	beat    beatAnswer
	control controlAnswer
}

// loop is one session's work. Only run's goroutine touches the machine and the maps.
type loop struct {
	c       *Coordinator
	ctx     context.Context
	session Session
	inbox   *inbox
	ops     sync.WaitGroup // what is carried out beside the loop
	leads   chan struct{}  // closed when the last Lead has been carried out; nil before the first

	ids      uint64
	beats    map[uint64]beatAnswer
	controls map[uint64]controlAnswer
	messages []Message              // to be announced after this step
	heard    time.Time              // when something was answered last
	ticked   time.Time              // when that was looked at last
	refusals protocol.RefusedCounts // as reported last

	done    bool // the node has left
	refused error
}

func (l *loop) run() (bool, error) {
	tick := time.NewTimer(0)
	defer tick.Stop()
	drain, leave, changed := l.c.drain, l.c.leave, l.c.changed
	var rest <-chan time.Time // runs while no new report is taken
	for !l.done && l.refused == nil {
		select {
		case <-l.ctx.Done():
			return false, l.ctx.Err()
		case <-l.session.Done():
			return false, nil
		case <-drain:
			drain = nil
			l.step(view.Drain{})
		case <-leave:
			leave = nil
			l.step(view.Leave{})
		case <-changed:
			l.step(view.LocalReport{Report: l.c.report()})
			changed, rest = nil, time.After(reportEvery)
		case <-rest:
			changed, rest = l.c.changed, nil
		case <-tick.C:
			if l.isolated() {
				return false, nil
			}
			l.drain() // what has arrived is taken before anybody is found late
			if !l.done && l.refused == nil {
				l.tick()
			}
		case <-l.inbox.ready:
			l.drain()
		}
		tick.Reset(l.c.machine.Rest() + tickSlack)
	}
	return l.done, l.refused
}

// tick also brings what was refused since the last one: a coordinator sends no heartbeat that could.
func (l *loop) tick() {
	if n := l.c.cfg.Refused.Counts(); n != l.refusals {
		l.refusals = n
		l.step(view.LocalReport{Report: l.c.report()})
	}
	l.step(view.Tick{})
}

// tickSlack makes up for ticks that come a little early: what the machine does at every tick must not find that its time
// has not quite come, and wait for the next.
const tickSlack = time.Millisecond

// reportEvery is the least time between two reports: when thousands of replicas start, each one makes
// another.
const reportEvery = 5 * time.Millisecond

func (l *loop) drain() {
	for _, in := range l.inbox.take() {
		if l.done || l.refused != nil {
			return
		}
		switch e := in.event.(type) {
		case view.BeatReceived:
			l.ids++
			e.ID = l.ids
			l.beats[e.ID] = in.beat
			l.step(e)
			delete(l.beats, e.ID) // answered in this step, or never
		case view.ControlReceived:
			l.ids++
			e.ID = l.ids
			l.controls[e.ID] = in.control
			l.step(e)
			if !l.c.machine.Leads() {
				l.dropControls() // it came too late, and would wait for ever
			}
		default:
			l.hear(e)
			l.step(e)
		}
	}
}

// step feeds the machine and carries out what it wants: at once and in order what doesn't wait for
// anybody, the rest beside the loop.
func (l *loop) step(e view.Event) {
	for _, a := range l.c.machine.Step(l.c.now(), e) {
		if !l.atOnce(a) {
			l.start(a)
		}
	}
	l.announce()
	l.c.show(true)
}

// atOnce carries out an action that takes no time. It returns false for the others.
func (l *loop) atOnce(a view.Action) bool {
	switch a := a.(type) {
	case view.SetTrust:
		l.c.cfg.Local.Trust(int64(a.Until), a.Reason)
	case view.Assign:
		l.c.cfg.Local.Assign(a.View, a.Changes, a.Reset)
	case view.Members:
		l.c.cfg.Local.Members(a.Self, a.Members)
	case view.AnswerBeat:
		l.beats[a.ID](a.Answer)
	case view.AnswerControl:
		l.answerControl(a)
	case view.IgnoreControl:
		delete(l.controls, a.ID)
	case view.Probe:
		_ = l.session.Probe(a.Node) // a session that can't send is about to end
	case view.StandIn:
		if err := l.session.StandIn(a.Children, a.On); err != nil {
			l.c.cfg.Logger.Debug("answer for children without a replica", "error", err)
		}
	case view.Wake:
		_ = l.session.Wake(a.Node) // as with Probe
	case view.AnnounceMode:
		l.message(l.c.subjects.Mode(a.Message.Child), a.Message)
	case view.AnnounceEvent:
		l.message(l.c.subjects.Event(a.Event.Type, eventName(a.Event)), a.Event)
	case view.Admitted:
		l.c.show(true) // who waits for it looks at the status then
		l.c.cfg.Logger.Info("joined the hub", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node,
			"incarnation", l.c.machine.Incarnation().ID, "view", a.View)
		l.c.once.Do(func() { close(l.c.admitted) })
	case view.Refused:
		l.refused = problemOf(a.Problem)
	case view.HasLeft:
		l.c.cfg.Logger.Info("left the hub", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node)
		l.done = true
	case view.CountRefused:
		l.c.cfg.Refused.Count(a.Reason)
	case view.Note:
		l.c.log(a)
	default:
		return false
	}
	return true
}

func eventName(e protocol.Event) string {
	if e.Child != "" {
		return e.Child
	}
	if e.Node != "" {
		return e.Node
	}
	return "hub"
}

func (l *loop) message(subject string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		l.c.cfg.Logger.Error("encode a message", "subject", subject, "error", err)
		return
	}
	l.messages = append(l.messages, Message{subject, data})
}

func (l *loop) announce() {
	if len(l.messages) == 0 {
		return
	}
	if err := l.session.Announce(l.messages); err != nil {
		l.c.cfg.Logger.Debug("announce", "error", err)
	}
	l.messages = nil
}

func (l *loop) answerControl(a view.AnswerControl) {
	var data []byte
	if a.Value != nil {
		var err error
		if data, err = json.Marshal(a.Value); err != nil {
			a.Problem = &protocol.Problem{Code: protocol.CodeHandler, Message: "encode the answer: " + err.Error()}
		}
	}
	for _, id := range a.IDs {
		if answer, ok := l.controls[id]; ok {
			delete(l.controls, id)
			answer(data, a.Problem)
		}
	}
}

// dropControls answers those who wait for a node that does not coordinate.
func (l *loop) dropControls() {
	for id, answer := range l.controls {
		delete(l.controls, id)
		answer(nil, &protocol.Problem{Code: protocol.CodeHubNotServed, Message: "the coordinator changed; whether this was done is unknown", Try: "again"})
	}
}

// Time limits of what is carried out beside the loop. What ends late is decided anew.
const (
	shortWait = 500 * time.Millisecond
	// shortDoubled is how often shortWait is doubled for a node's own record: a server that is late is not asked again before
	// it had the time to answer.
	shortDoubled = 2
	beatWait     = 5 * time.Second // for a heartbeat's answer, which is late after shortWait
	askWait      = 250 * time.Millisecond
	batchWait    = 3 * time.Second
	loadWait     = time.Second // doubled with each try, because a large bucket takes its time
	loadMost     = 30 * time.Second
)

// start carries out an action beside the loop; its result comes back as an event.
func (l *loop) start(a view.Action) {
	switch a := a.(type) {
	case view.Load:
		l.beside(min(loadWait<<min(a.Try, 8), loadMost), func(ctx context.Context) view.Event {
			records, last, err := l.session.Since(ctx, a.Bucket, a.After)
			return view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Records: records, Last: last, Outcome: outcome(err), Cause: cause(err)}
		})
	case view.ReadKey:
		l.beside(shortWait<<min(a.Try, shortDoubled), func(ctx context.Context) view.Event {
			r, err := l.session.ReadKey(ctx, a.Bucket, a.Key)
			return view.KeyRead{Bucket: a.Bucket, Key: a.Key, Known: a.Known, Record: r, Outcome: outcome(err)}
		})
	case view.WriteNode:
		l.beside(shortWait<<min(a.Try, shortDoubled), func(ctx context.Context) view.Event {
			rev, err := l.session.WriteNode(ctx, a.Record, a.Last)
			return view.NodeWritten{Write: a, Revision: rev, Outcome: outcome(err), Cause: cause(err)}
		})
	case view.DropNode:
		l.beside(shortWait, func(ctx context.Context) view.Event {
			rev, err := l.session.DropNode(ctx, a.Node, a.Last)
			return view.NodeDropped{Drop: a, Revision: rev, Outcome: outcome(err), Cause: cause(err)}
		})
	case view.CommitWrites:
		l.beside(writeWait(a.Writes), func(ctx context.Context) view.Event {
			rev, err := l.session.Commit(ctx, a.Writes)
			return view.Committed{Nonce: a.Nonce, Revision: rev, Outcome: outcome(err), Cause: cause(err)}
		})
	case view.WriteSpecs:
		l.beside(writeWait(a.Writes), func(ctx context.Context) view.Event {
			rev, err := l.session.WriteSpecs(ctx, a.Writes)
			return view.SpecsWritten{ID: a.ID, Revision: rev, Outcome: outcome(err), Cause: cause(err)}
		})
	default:
		l.startPeer(a)
	}
}

func (l *loop) startPeer(a view.Action) {
	switch a := a.(type) {
	case view.SendBeat:
		a.Beat.Report = l.c.report().AlsoWaiting(a.Missing)
		l.beat(a.Beat)
	case view.Ping:
		l.beside(protocol.Contact, func(ctx context.Context) view.Event {
			return view.Pinged{Outcome: outcome(l.session.Ping(ctx))}
		})
	case view.AskConn:
		l.beside(askWait, func(ctx context.Context) view.Event {
			evidence := evidenceOf(ctx, func(ctx context.Context) (view.Evidence, error) { return l.session.Connected(ctx, a.Conn) })
			return view.ConnAnswered{Node: a.Node, Conn: a.Conn, Evidence: evidence}
		})
	case view.Kick:
		l.beside(askWait, func(ctx context.Context) view.Event {
			err := l.session.Kick(ctx, a.Node, a.Conn)
			return view.Kicked{Node: a.Node, Conn: a.Conn, Outcome: outcome(err)}
		})
	case view.Lead:
		if !a.On {
			l.dropControls()
		}
		l.lead(a.On)
	}
}

// lead starts or ends to listen as the coordinator, beside the loop but never before what was asked for
// last is done: whoever holds the role again must not be made deaf by the end of the time before.
func (l *loop) lead(on bool) {
	before, done := l.leads, make(chan struct{})
	l.leads = done
	l.ops.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		l.inbox.put(input{event: l.listen(on)})
	})
}

func (l *loop) listen(on bool) view.Event {
	ctx, cancel := context.WithTimeout(l.ctx, shortWait)
	defer cancel()
	err := l.session.Lead(ctx, on)
	if err == nil {
		return view.Tick{}
	}
	if l.ctx.Err() == nil {
		l.c.cfg.Logger.Warn("listen as the coordinator", "hub", l.c.cfg.Hub, "node", l.c.cfg.Node, "on", on, "error", err)
	}
	if on {
		return view.LeadFailed{}
	}
	return view.Tick{}
}

// beat sends a heartbeat, and says so if the answer is late. It still counts.
func (l *loop) beat(b protocol.Beat) {
	late := time.AfterFunc(shortWait, func() {
		l.inbox.put(input{event: view.BeatAnswered{Number: b.Number, Outcome: view.OutcomeUnknown}})
	})
	l.beside(beatWait, func(ctx context.Context) view.Event {
		answer, err := l.session.Beat(ctx, b)
		late.Stop()
		return view.BeatAnswered{Number: b.Number, Answer: answer, Outcome: outcome(err)}
	})
}

func writeWait(writes []view.Write) time.Duration {
	if len(writes) == 1 {
		return shortWait
	}
	return batchWait
}

func (l *loop) beside(limit time.Duration, do func(context.Context) view.Event) {
	l.ops.Go(func() {
		ctx, cancel := context.WithTimeout(l.ctx, limit)
		defer cancel()
		l.inbox.put(input{event: do(ctx)})
	})
}

func outcome(err error) view.Outcome {
	switch {
	case err == nil:
		return view.Done
	case errors.Is(err, ErrConflict):
		return view.Conflict
	case errors.Is(err, ErrNoResponders):
		return view.NobodyListens
	case errors.Is(err, ErrRejected):
		return view.Rejected
	}
	return view.OutcomeUnknown
}

// cause is what is to be said of an operation on a bucket that failed. The end of a session is not the bucket's.
func cause(err error) string {
	if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
		return ""
	}
	return protocol.Cut(strings.ReplaceAll(err.Error(), "phub: ", ""), protocol.MaxText)
}

// handler puts what arrives into the inbox.
type handler loop

// Record keeps of a live record what the machine looks at: anybody may have sent it, and it waits in the inbox.
func (h *handler) Record(r view.Record) {
	if r.Bucket != protocol.NodesBucket || len(r.Value) > view.MaxHeard {
		r.Value = nil
	}
	h.inbox.put(input{event: view.RecordStored{Record: r}})
}

func (h *handler) Beat(b protocol.Beat, answer func(protocol.BeatAnswer)) {
	h.inbox.put(input{event: view.BeatReceived{Beat: b}, beat: answer})
}

func (h *handler) Control(verb, hub string, data []byte, answer func([]byte, *protocol.Problem)) {
	if !h.inbox.put(input{event: view.ControlReceived{Verb: verb, Hub: hub, Data: data}, control: answer}) {
		answer(nil, &protocol.Problem{Code: protocol.CodeBusy, Message: "more control requests wait for the coordinator than it has room for; nothing was done", Try: "again in a moment"})
	}
}

func (h *handler) Missed(b protocol.Bucket) { h.inbox.miss(b) }

func (h *handler) Woken() { h.inbox.put(input{event: view.Woken{}}) }

func (h *handler) NoInterest(node string) { h.inbox.put(input{event: view.NobodyThere{Node: node}}) }

func (h *handler) ConnReported(c protocol.Conn) {
	h.inbox.put(input{event: view.ConnReported{Conn: c}})
}

func (h *handler) Undecodable(subject string, err error) {
	h.c.cfg.Refused.Count(protocol.ReasonMessage)
	if before, due := h.c.junk.Due(time.Now()); due {
		h.c.cfg.Logger.Warn("message not understood", "subject", protocol.Cut(subject, protocol.MaxText), "error", err, "others_since_last_told", before)
	}
}
