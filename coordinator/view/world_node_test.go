package view_test

import (
	"encoding/json"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// process is one run of a node.
type process struct {
	w         *world
	elsewhere bool // its hub is the other one
	name      string
	m         *view.Machine
	local     local
	said      protocol.Report
	conn      *protocol.Conn // nil: none
	second    *protocol.Conn // to which it is on its way
	session   int            // grows with each connection
	lead      bool
	frozen    bool     // it doesn't run: SIGSTOP
	missed    []func() // meanwhile
	cut       bool     // nothing gets through, and nobody notices
	apart     bool     // its server is cut off from those that have the streams: it reaches who is apart as well
	unfed     bool     // nothing comes through between it and the streams; between it and other nodes it does
	deaf      int      // so many of the next records get lost
	trusted   bool     // as told
	kicked    bool     // its server closed its connection, and it does not know
	beats     map[uint64]func(protocol.BeatAnswer)
	asks      map[uint64]string
}

func newProcess(w *world, cfg view.Config) *process {
	p := &process{w: w, name: cfg.Node, beats: map[uint64]func(protocol.BeatAnswer){}, asks: map[uint64]string{}}
	cfg.Hub, cfg.Unsafe = "h", w.unsafe
	cfg.Keys = &keys{p: p}
	p.m = view.New(cfg)
	p.local.reset()
	return p
}

func (p *process) connect() {
	p.w.conns++
	p.conn = &protocol.Conn{Server: "S1", Client: p.w.conns}
	p.w.open[*p.conn] = true
	p.session++
	p.gets(view.Connected{Conn: *p.conn, Domain: p.domain()})
}

// disconnect ends the connection; the process knows, or will when it wakes.
func (p *process) disconnect() {
	p.w.shut(*p.conn)
	if p.second != nil {
		p.w.shut(*p.second)
	}
	p.kicked, p.second = false, nil
	p.conn, p.lead, p.said = nil, false, protocol.Report{}
	p.session++
	clear(p.beats)
	clear(p.asks)
	p.run(func() { p.step(view.Disconnected{}) })
}

// openSecond opens a second connection, to which the process is to go.
func (p *process) openSecond() {
	p.w.conns++
	p.second = &protocol.Conn{Server: "S2", Client: p.w.conns}
	p.w.open[*p.second] = true
	p.gets(view.Beside{Conn: *p.second})
}

// run does something in the process, or when it wakes.
func (p *process) run(do func()) {
	p.w.soon(func() {
		if p.frozen {
			p.missed = append(p.missed, do)
			return
		}
		do()
	})
}

// gets gives the machine an event, in this session or never.
func (p *process) gets(e view.Event) {
	if _, tick := e.(view.Tick); p.conn == nil || tick && p.frozen {
		return
	}
	session := p.session
	p.run(func() {
		if p.session == session {
			p.step(e)
		}
	})
}

// hears is what comes over the wire.
func (p *process) hears(e view.Event) {
	if !p.cut {
		p.gets(e)
	}
}

func (p *process) step(e view.Event) {
	if p.w.trace {
		p.w.log(p.name, "<- %v", e)
	}
	for _, a := range p.m.Step(p.w.clockOf(p.name), e) {
		if p.w.trace || telling(a) {
			p.w.log(p.name, "%v", a)
		}
		p.carryOut(a)
	}
}

// telling says which actions a story shows.
func telling(a view.Action) bool {
	switch a := a.(type) {
	case view.WriteNode:
		return !a.Record.Status.Alive()
	case view.Assign:
		return len(a.Changes) > 0 || a.Reset
	case view.CommitWrites, view.WriteSpecs, view.DropNode, view.Lead, view.StandIn, view.AnnounceMode, view.AnnounceEvent,
		view.Admitted, view.Refused, view.HasLeft, view.Note, view.Kick, view.Carry, view.Retire:
		return true
	}
	return false
}

func (p *process) carryOut(a view.Action) {
	switch a := a.(type) {
	case view.SetTrust:
		p.trust(a)
	case view.Assign:
		for _, x := range a.Changes {
			if had := p.local.told[x.Child]; had.Assigned && x.SpecRev > had.SpecRev {
				p.w.log(p.name, "%s is started anew, with spec %d", x.Child, x.SpecRev)
			}
		}
		p.local.assign(a)
	case view.AnswerBeat:
		if answer := p.beats[a.ID]; answer != nil {
			answer(a.Answer)
		}
	case view.AnswerControl:
		p.w.answered(p, a)
	case view.Lead:
		p.lead = a.On
	case view.Retire:
		p.w.shut(*p.conn)
		p.conn, p.second, p.lead = p.second, nil, false
	case view.Probe:
		p.probe(a.Node)
	case view.Wake:
		if n := p.w.nodes[a.Node]; n != nil && !p.cut && n.apart == p.apart {
			n.hears(view.Woken{})
		}
	case view.Refused, view.HasLeft:
		p.w.end(p)
	default:
		p.begin(a)
	}
}

func (p *process) trust(a view.SetTrust) {
	p.local.until = a.Until
	if now := a.Until > p.w.clock().Mono; now != p.trusted {
		p.trusted = now
		if now {
			p.w.log(p.name, "trusted")
		} else {
			p.w.log(p.name, "%v", a)
		}
	}
}

// beside returns what gives a result to the machine once: the answer, or after some time what is late.
func (p *process) beside(limit time.Duration, late view.Event) func(view.Event) {
	over := false
	end := func(e view.Event) {
		if !over {
			over = true
			p.gets(e)
		}
	}
	session := p.session
	p.w.after(limit, func() {
		if p.session == session {
			end(late)
		}
	})
	return func(e view.Event) {
		if !p.cut && p.session == session {
			end(e)
		}
	}
}

const patience = 500 * time.Millisecond

func (p *process) begin(a view.Action) {
	w := p.w
	_, beat := a.(view.SendBeat)
	ping, pings := a.(view.Ping) // the own server is always there
	if p.conn != nil && !w.open[*p.conn] || pings && !w.open[ping.Conn] || !pings && (p.cut || (p.astray() || p.unfed) && !beat) {
		p.lose(a)
		return
	}
	switch a := a.(type) {
	case view.Load:
		records, last := p.store().since(a.Bucket, a.After)
		p.gets(view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Records: records, Last: last})
	case view.ReadKey:
		p.gets(view.KeyRead{Bucket: a.Bucket, Key: a.Key, Known: a.Known, Record: p.store().keys[a.Bucket][a.Key]})
	case view.WriteNode:
		p.write(protocol.NodesBucket, []view.Write{{Key: a.Record.Node, Value: encode(a.Record), Last: a.Last}}, func(rev uint64, o view.Outcome) view.Event {
			return view.NodeWritten{Write: a, Revision: rev, Outcome: o}
		})
	case view.DropNode:
		p.write(protocol.NodesBucket, []view.Write{{Key: a.Node, Delete: true, Last: a.Last}}, func(rev uint64, o view.Outcome) view.Event {
			return view.NodeDropped{Drop: a, Revision: rev, Outcome: o}
		})
	case view.CommitWrites:
		p.write(protocol.PlacementBucket, a.Writes, func(rev uint64, o view.Outcome) view.Event {
			return view.Committed{Nonce: a.Nonce, Revision: rev, Outcome: o}
		})
	case view.WriteSpecs:
		p.write(protocol.ChildrenBucket, a.Writes, func(rev uint64, o view.Outcome) view.Event {
			return view.SpecsWritten{ID: a.ID, Revision: rev, Outcome: o}
		})
	case view.SendBeat:
		p.beat(a)
	case view.Ping:
		p.gets(view.Pinged{Conn: a.Conn})
	case view.AskConn:
		done := p.beside(patience/2, view.ConnAnswered{Node: a.Node, Conn: a.Conn})
		if e := w.evidence(a.Conn); e != view.Unknown {
			done(view.ConnAnswered{Node: a.Node, Conn: a.Conn, Evidence: e})
		}
	case view.Kick:
		p.beside(patience/2, view.Kicked{Node: a.Node, Conn: a.Conn, Outcome: view.OutcomeUnknown})(w.kick(a))
	}
}

func (p *process) write(b protocol.Bucket, writes []view.Write, result func(uint64, view.Outcome) view.Event) {
	done := p.beside(patience, result(0, view.OutcomeUnknown))
	p.w.write(p.store(), b, writes, func(rev uint64, o view.Outcome) {
		if !p.astray() && !p.unfed {
			done(result(rev, o))
		}
	})
}

// lose is what becomes of a request that doesn't get through.
func (p *process) lose(a view.Action) {
	var late view.Event
	switch a := a.(type) {
	case view.Load:
		late = view.RecordsLoaded{Bucket: a.Bucket, After: a.After, Outcome: view.OutcomeUnknown}
	case view.ReadKey:
		late = view.KeyRead{Bucket: a.Bucket, Key: a.Key, Outcome: view.OutcomeUnknown}
	case view.WriteNode:
		late = view.NodeWritten{Write: a, Outcome: view.OutcomeUnknown}
	case view.DropNode:
		late = view.NodeDropped{Drop: a, Outcome: view.OutcomeUnknown}
	case view.CommitWrites:
		late = view.Committed{Nonce: a.Nonce, Outcome: view.OutcomeUnknown}
	case view.WriteSpecs:
		late = view.SpecsWritten{ID: a.ID, Outcome: view.OutcomeUnknown}
	case view.SendBeat:
		late = view.BeatAnswered{Number: a.Beat.Number, Outcome: view.OutcomeUnknown}
	case view.Ping:
		late = view.Pinged{Conn: a.Conn, Outcome: view.OutcomeUnknown}
	case view.AskConn:
		late = view.ConnAnswered{Node: a.Node, Conn: a.Conn}
	case view.Kick:
		late = view.Kicked{Node: a.Node, Conn: a.Conn, Outcome: view.OutcomeUnknown}
	default:
		return
	}
	p.beside(patience, late)
}

// beat sends a heartbeat to whoever listens as the coordinator.
func (p *process) beat(a view.SendBeat) {
	a.Beat.Report = p.local.report(p.w).AlsoWaiting(a.Missing)
	done := p.beside(patience, view.BeatAnswered{Number: a.Beat.Number, Outcome: view.OutcomeUnknown})
	heard := false
	for _, n := range p.w.names() {
		c := p.w.nodes[n]
		if !c.lead || c == p || c.apart != p.apart {
			continue
		}
		heard = true
		p.w.ask++
		id := p.w.ask
		c.beats[id] = func(answer protocol.BeatAnswer) {
			if !c.cut && (c.elsewhere == p.elsewhere || !p.hasCoordinator()) { // another hub's answer is passed over
				done(view.BeatAnswered{Number: a.Beat.Number, Answer: answer})
			}
		}
		c.hears(view.BeatReceived{ID: id, Beat: a.Beat})
	}
	if !heard {
		done(view.BeatAnswered{Number: a.Beat.Number, Outcome: view.NobodyListens})
	}
}

// hasCoordinator reports whether a node that listens as the coordinator has the same buckets.
func (p *process) hasCoordinator() bool {
	for _, c := range p.w.nodes {
		if c.lead && c.elsewhere == p.elsewhere && c.apart == p.apart {
			return true
		}
	}
	return false
}

// store holds the buckets of its hub.
func (p *process) store() *store {
	if p.elsewhere {
		return p.w.other
	}
	return p.w.store
}

// astray reports whether its server is cut off from the streams of its hub.
func (p *process) astray() bool { return p.apart && !p.elsewhere }

// domain is that of JetStream.
func (p *process) domain() string {
	if p.elsewhere {
		return "leaf"
	}
	return "hub"
}

func (p *process) probe(node string) {
	if n := p.w.nodes[node]; (n == nil || n.conn == nil || n.apart != p.apart) && !p.cut {
		p.gets(view.NobodyThere{Node: node})
	}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
