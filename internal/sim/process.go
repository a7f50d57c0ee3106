package sim

import (
	"slices"
	"time"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// clock is a process's monotonic clock: it runs at its own rate, also while the process doesn't.
type clock struct {
	from   int64 // in the world's time
	offset int64
	ppm    int64 // a million is right
}

func (c clock) at(world int64) int64 { return c.offset + (world-c.from)/1000*c.ppm/1000 }

// takes returns how long a time by this clock takes in the world, rounded up.
func (c clock) takes(local int64) int64 { return (local/1000+1)*1_000_000/c.ppm*1000 + 1000 }

// wallBegins is what wall clocks say when a run begins: views are numbered by its milliseconds.
var wallBegins = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// process is one run of a node: its deciding side, its running side, and what happens between them.
type process struct {
	w       *world
	name    string
	number  int
	clock   clock
	wall    int64 // how far its wall clock is ahead
	machine *view.Machine
	host    *host
	ids     int
	keys    *keys

	gone    bool // crashed, or ended
	endedAt int64
	paused  bool
	pauses  int      // how often it was
	missed  []func() // what happened while it was paused
	half    []func() // the rest of the step that the pause cut in two
	cutting int      // pause after that many parts of steps; 0: don't
	stop    int64    // for how long it pauses then

	conn     *conn
	conns    uint64
	session  uint64 // grows with each connection and each end of one
	dialing  bool
	next     *server // where it connects next; nil: anywhere
	backOff  int64
	busyTill int64  // the loop is held up until then
	tickOf   uint64 // the session in which a tick waits, plus one; 0: none does
	restTill int64  // no tick is due before that, by its clock
	inbox    []func()
	deaf     int64 // what is stored until then does not reach it
	behind   int64 // what is stored until then reaches it then
	draining bool  // it is going to leave
	leaving  bool
	left     bool
	mayLeave bool // the running side has stopped
	report   bool // something new is to be told to the loop

	beats    map[uint64]func(sealed[protocol.BeatAnswer])
	controls map[uint64]func(view.AnswerControl)
	requests uint64
}

func newProcess(w *world, name string) *process {
	p := &process{
		w: w, name: name, number: len(w.procs) + 1, backOff: 5 * ms, wall: w.wall(),
		clock: clock{w.now, w.between(sec, 1000*sec), 1_000_000},
		beats: map[uint64]func(sealed[protocol.BeatAnswer]){}, controls: map[uint64]func(view.AnswerControl){},
	}
	if skew := w.plan.Skew; skew > 0 {
		if p.clock.ppm += w.between(-skew, skew+1); w.chance(0.5) {
			p.clock.ppm = 1_000_000 + skew*(2*w.rng.Int64N(2)-1) // as far off as any
		}
	}
	p.keys = &keys{p: p}
	p.machine = view.New(view.Config{
		Hub: "h", Node: name, Want: w.plan.Config, Unsafe: w.unsafe.View,
		Labels: w.labels(name), Capacity: w.capacity(name), GoneAfter: time.Duration(w.plan.GoneAfter), Crowd: w.plan.Crowd,
		Keys: p.keys,
	})
	p.host = newHost(p)
	return p
}

func (p *process) local() int64 { return p.clock.at(p.w.now) }

func (p *process) runs() bool { return !p.gone && !p.paused }

// after has something happen in the process when some time by its clock has passed, or when it wakes.
func (p *process) after(local int64, do func()) {
	p.w.in(p.clock.takes(max(local, 0)), func() { p.arrived(do) })
}

// arrived has something happen in the process now, or when it wakes.
func (p *process) arrived(do func()) {
	switch {
	case p.gone:
	case p.paused:
		p.missed = append(p.missed, do)
	default:
		do()
		p.w.check.serving(p)
	}
}

// tick drives the loop's ticker. A real one drops the ticks that nobody took.
func (p *process) tick() {
	if p.gone {
		return
	}
	if !p.paused && p.w.now >= p.busyTill && p.conn != nil && len(p.inbox) == 0 && p.local() >= p.restTill {
		p.step(view.Tick{})
		p.w.check.serving(p)
	} else if p.local() >= p.restTill {
		p.lateTick()
	}
	p.w.in(p.clock.takes(int64(view.TickEvery)), p.tick)
}

// loop gives an event to the loop, which may be held up.
func (p *process) loop(e view.Event) { p.inLoop(func() { p.step(e) }) }

func (p *process) inLoop(do func()) {
	session := p.session
	run := func() {
		if p.session == session {
			do()
		}
	}
	if p.w.now >= p.busyTill && len(p.inbox) == 0 {
		run()
		return
	}
	p.inbox = append(p.inbox, run)
	if len(p.inbox) == 1 {
		p.wakeLoop()
	}
}

func (p *process) wakeLoop() {
	p.w.at(p.busyTill, func() {
		p.arrived(func() {
			if p.w.now < p.busyTill {
				p.wakeLoop()
				return
			}
			todo := p.inbox
			p.inbox = nil
			for i, do := range todo {
				do()
				if p.w.now < p.busyTill && i+1 < len(todo) {
					p.inbox = append(slices.Clone(todo[i+1:]), p.inbox...)
					p.wakeLoop()
					return
				}
			}
		})
	})
}

// step feeds the machine, and carries out what it wants.
func (p *process) step(e view.Event) {
	if p.gone || p.left {
		return
	}
	if _, tick := e.(view.Tick); tick {
		p.tickOf = 0
	}
	p.event(e)
	session := p.session
	actions := p.machine.Step(view.Now{Mono: time.Duration(p.local()), Wall: wallBegins.Add(time.Duration(p.w.now + p.wall))}, e)
	p.restTill = p.local() + int64(p.machine.Rest())
	p.w.check.stepped(p)
	p.w.check.granting(p, actions)
	p.busyTill = max(p.busyTill, p.w.spend(costOf(e, actions)))
	p.toils()
	for _, a := range actions {
		p.do(func() { p.action(session, a) })
	}
}

// do has the next thing of a step happen: now, or after the pause that cuts the step in two here.
func (p *process) do(next func()) {
	if p.gone {
		return
	}
	if p.paused {
		p.half = append(p.half, next)
		return
	}
	next()
	if p.cutting > 0 {
		if p.cutting--; p.cutting == 0 {
			p.pause(p.stop)
		}
	}
}

func (p *process) action(session uint64, a view.Action) {
	switch a.(type) {
	case view.SetTrust, view.Assign:
		p.carryOut(a)
	default:
		if p.session == session {
			p.carryOut(a)
		}
	}
}

func (p *process) event(e view.Event) {
	if p.w.trace == nil || !p.w.trace.detail {
		return
	}
	switch e := e.(type) {
	case view.Tick:
	case view.RecordStored:
		p.w.logf(p.name, "  hears %s of %s at %d", e.Record.Key, e.Record.Bucket, e.Record.Revision)
	case view.RecordsLoaded:
		p.w.logf(p.name, "  loaded %s: %d records, last %d, outcome %d", e.Bucket, len(e.Records), e.Last, e.Outcome)
	case view.ControlReceived:
		p.w.logf(p.name, "  control %s %s", e.Verb, e.Data)
	case view.BeatReceived:
		p.w.logf(p.name, "  heartbeat %d of %s settled=%d waiting=%v confirms=%v", e.Beat.Number, e.Beat.ID, e.Beat.Report.Settled, e.Beat.Report.Waiting, e.Beat.Confirms)
	case view.BeatAnswered:
		if e.Outcome == view.Done {
			p.w.logf(p.name, "  heartbeat %d answered by %s: accepted=%t %s %s", e.Number, e.Answer.Coordinator.ID, e.Answer.Accepted, e.Answer.Refused, e.Answer.Detail)
		}
	case view.NodeWritten:
		p.w.logf(p.name, "  written: %s %s beat %d, outcome %d", e.Write.Record.ID, e.Write.Record.Status, e.Write.Record.Beat, e.Outcome)
	case view.LocalReport:
		p.w.logf(p.name, "  reports settled=%d waiting=%v failed=%v", e.Report.Settled, e.Report.Waiting, e.Report.Failed)
	case view.NobodyThere:
	default:
		p.w.logf(p.name, "  %T%+v", e, e)
	}
}

// pause stops the process for some time. Its clock goes on.
func (p *process) pause(d int64) {
	if !p.runs() {
		return
	}
	p.paused = true
	p.pauses++
	p.host.tainted()
	if c, n := p.conn, p.pauses; c != nil {
		c.giveUp(d, func() bool { return p.paused && p.pauses == n })
	}
	p.w.tell(p.name, "process %d is paused for %v", p.number, time.Duration(d).Round(time.Millisecond))
	p.w.in(d, p.wake)
}

func (p *process) wake() {
	if p.gone || !p.paused {
		return
	}
	p.paused = false
	p.w.tell(p.name, "process %d wakes; %d things had to wait for it", p.number, len(p.missed)+len(p.half))
	todo := p.missed
	p.missed = nil
	half := p.half
	p.half = nil
	p.w.check.serving(p)
	for i, next := range half {
		if p.paused {
			p.half = append(p.half, half[i:]...)
			break
		}
		p.do(next)
	}
	p.drain(todo)
}

// drain does what was missed: messages and timers in an order that differs a little from that of time.
func (p *process) drain(todo []func()) {
	for i := range todo {
		if i > 0 && p.w.chance(0.3) {
			todo[i-1], todo[i] = todo[i], todo[i-1]
		}
	}
	for i, do := range todo {
		if p.paused {
			p.missed = append(append([]func(){}, todo[i:]...), p.missed...)
			return
		}
		p.arrived(do)
	}
}

// crash ends the process. With noticed, its server knows at once, as after a SIGKILL; otherwise only
// after a long time, as when the machine loses its power.
func (p *process) crash(noticed bool) {
	if p.gone {
		return
	}
	p.w.tell(p.name, "process %d crashes%s", p.number, map[bool]string{true: "", false: ", and its server does not notice"}[noticed])
	p.end()
	if c := p.conn; c != nil {
		d := p.w.between(0, 2*ms)
		if !noticed {
			d = p.w.between(20*sec, 60*sec)
		}
		p.w.in(d, c.ends)
	}
}

func (p *process) end() {
	p.gone, p.endedAt = true, p.w.now
	p.missed, p.inbox, p.half = nil, nil, nil
	p.w.ended(p)
}

func (p *process) reportToLoop() {
	p.inLoop(func() {
		if p.conn != nil {
			p.step(view.LocalReport{Report: p.host.reportNow()})
		}
	})
}
