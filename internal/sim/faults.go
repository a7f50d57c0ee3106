package sim

import (
	"slices"

	"github.com/phub-io/phub/protocol"
)

// play has the plan's faults happen.
func (w *world) play() {
	w.forge()
	for _, f := range w.plan.Faults {
		if f.At >= w.plan.End {
			continue
		}
		w.at(f.At, func() {
			w.tell("", "FAULT %s", w.shownFault(f))
			w.strike(f)
		})
	}
}

func (w *world) strike(f Fault) {
	name := w.target(f.A)
	if f.Kind <= StallOut {
		if p := w.running[name]; p != nil {
			w.strikeProcess(p, f)
		}
		return
	}
	if f.Kind <= Unacked {
		w.strikeServers(f)
		return
	}
	switch f.Kind {
	case Loss:
		w.during(f.For, func(on bool) { w.loss = value(on, 0.02+0.3*float64(f.A)/60) })
	case Lag:
		w.during(f.For, func(on bool) { w.lag = value(on, 0.02+0.5*float64(f.A)/60) })
	case Late:
		s := w.streams[buckets[f.A%len(buckets)]]
		w.during(f.For, func(on bool) { s.late = value(on, 0.3) })
	case Leave:
		w.leave(name, f.For)
	case LeaveForGood, LostForGood:
		w.part(name, f.Kind)
	case Join:
		if len(w.names) < mostNodes {
			w.boot(w.newName())
		}
	case Meddle:
		w.meddle(f)
	case ForgeView:
		w.storeView(f)
	case ForgeRecord:
		w.storeRecord(f)
	case PutBack:
		w.putBack(f)
	case StartChild, StopChild, MoveChild, ChangeChild:
		w.client.begin(f)
	case SetHub:
		w.client.setHub(f.B)
	case WorkerFailed:
		w.failWorker(f)
	case LongRequest:
		w.client.long(f)
	case Forge:
		w.forgeRecord(f)
	case Drain:
		w.drain(name, f)
	case Copy:
		w.copyBuckets()
	case Restore, Lose:
		w.loseBuckets(f)
	case Respecify:
		w.respecify(f)
	case FalseBeats, FalseAnswers, FalseReleases:
		w.stranger.strike(f)
	case SlowStop:
		if s := w.failing(f); s != nil {
			s.slow = f.For
		}
	case Unflushed:
		w.during(f.For, func(on bool) { w.unflushed = value(on, 0.1+0.8*float64(f.A)/60) })
	case Full:
		s := w.streams[buckets[f.A%len(buckets)]]
		s.full = max(s.full, w.now+f.For)
	case Sick:
		w.sicken(name, f)
	case OwnKeys:
		w.ownKeys(f)
	case Slow:
		w.slow(f)
	case Stop:
		w.stop(f.For)
	}
}

// mostNodes is how many nodes there are at most.
const mostNodes = 7

func (w *world) strikeServers(f Fault) {
	a := w.targetServer(f.A)
	b := (a + 1 + f.B%2) % servers
	s := w.streams[buckets[f.A%len(buckets)]]
	switch f.Kind {
	case ServerCrash:
		w.crashServer(w.servers[a], f.For)
	case ServerCut:
		w.cut(f.For, apart(a)...)
	case LinkCut:
		w.cut(f.For, way{a, b}, way{b, a})
	case OneWayCut:
		w.cut(f.For, way{a, b})
	case LinkHeld:
		r := w.routes[a*servers+b]
		r.held = max(r.held, w.now+f.For)
	case NoLeader:
		s.idle = max(s.idle, w.now+f.For)
	case NoQuorum:
		w.noQuorum(f)
	case Unacked:
		w.during(f.For, func(on bool) { s.mute = value(on, 0.5) })
	}
}

// targetServer returns the server that a fault is about: of the coordinator, or its deputy, that which has its connection.
func (w *world) targetServer(a int) int {
	if p := w.running[w.target(a)]; a >= Coordinator && p != nil && p.conn != nil {
		return p.conn.srv.index
	}
	return a % servers
}

// apart returns the ways from and to a server.
func apart(a int) []way {
	var ways []way
	for b := range servers {
		if b != a {
			ways = append(ways, way{a, b}, way{b, a})
		}
	}
	return ways
}

// noQuorum takes the majority of servers away: two crash, or none reaches another.
func (w *world) noQuorum(f Fault) {
	if f.B%2 == 0 {
		w.crashServer(w.servers[f.A%servers], f.For)
		w.crashServer(w.servers[(f.A+1)%servers], f.For)
		return
	}
	w.cut(f.For, apart(0)...)
	w.cut(f.For, way{1, 2}, way{2, 1})
}

// target returns the node that a fault is about.
func (w *world) target(a int) string {
	v := &w.check.view
	if a >= Deputy {
		for _, x := range v.Members {
			if x.Incarnation != v.Coordinator {
				return x.Node
			}
		}
	}
	if c := v.Coordinator.Node; a >= Coordinator && c != "" {
		return c
	}
	return w.names[a%len(w.names)]
}

func (w *world) strikeProcess(p *process, f Fault) {
	switch f.Kind {
	case Crash, PowerLoss:
		p.crash(f.Kind == Crash)
		w.in(f.For, func() { w.boot(p.name) })
	case Pause:
		p.pause(f.For)
	case PauseMidway:
		p.cutting, p.stop = 1+f.B%12, f.For
	case Twin:
		if slices.Contains(w.names, p.name) && w.living(p.name) == 1 {
			p.pause(f.For)
			w.launch(p.name)
		}
	case HoldUp:
		p.busyTill = max(p.busyTill, w.now+f.For)
	case Reset:
		p.reset()
	case Astray:
		w.astray(p, f)
	case Deaf:
		p.deaf = max(p.deaf, w.now+f.For)
	case Behind:
		p.behind = max(p.behind, w.now+f.For)
	case Kick:
		p.pause(f.For)
		if c := p.conn; c != nil && (w.access() || w.plan.Config.Failover == protocol.FailoverStrict) {
			w.in(w.between(0, f.For), c.kick)
		}
	case Stall, StallIn, StallOut:
		if p.conn != nil {
			p.conn.stalled(f.For, f.Kind != StallOut, f.Kind != StallIn)
		}
		if f.Kind == Stall && f.B%2 == 0 {
			w.check.cutOff[p.name] = max(w.check.cutOff[p.name], w.now+f.For)
		}
	}
}

// reset closes the connection. A paused process would not notice: see Kick.
func (p *process) reset() {
	switch c := p.conn; {
	case c == nil:
	case !p.paused || p.w.plan.Config.Failover == protocol.FailoverStrict:
		c.shut()
	case p.w.access():
		c.kick()
	}
}

// astray has a process come back over a server that is cut off from the others, with a member that is there.
func (w *world) astray(p *process, f Fault) {
	members := w.check.view.Members
	for i := range members {
		x := w.running[members[(f.B+i)%len(members)].Node]
		if x != nil && x.conn != nil && x.conn.open && p.conn != nil && x.conn.srv != p.conn.srv {
			p.next = x.conn.srv
			w.cut(f.For, apart(p.next.index)...)
			break
		}
	}
	p.reset()
}

func value(on bool, v float64) float64 {
	if on {
		return v
	}
	return 0
}

func (w *world) during(d int64, set func(on bool)) {
	set(true)
	w.in(d, func() { set(false) })
}

func (w *world) crashServer(s *server, d int64) {
	if !s.alive {
		return
	}
	s.crash()
	w.elect()
	n := s.starts
	w.in(d, func() {
		if s.starts == n && !s.alive {
			s.start()
			w.elect()
		}
	})
}

// cut lets nothing through on some ways for some time.
func (w *world) cut(d int64, ways ...way) {
	for _, x := range ways {
		r := w.routes[x[0]*servers+x[1]]
		r.since, r.cuts = w.now, r.cuts+1
	}
	w.elect()
	w.in(d, func() {
		for _, x := range ways {
			if r := w.routes[x[0]*servers+x[1]]; r.cuts > 0 {
				r.cuts--
			}
		}
		w.elect()
	})
}

func (w *world) elect() {
	for _, b := range buckets {
		w.streams[b].elect()
	}
}

// part takes a node away for good.
func (w *world) part(name string, k Kind) {
	p := w.running[name]
	if p == nil || p.leaving || len(w.names) < 3 {
		return
	}
	w.names = slices.DeleteFunc(w.names, func(x string) bool { return x == name })
	for _, x := range w.procs {
		switch {
		case x.name != name || x.gone:
		case k == LostForGood:
			x.crash(true)
		default:
			x.arrived(x.leave)
		}
	}
}

func (w *world) leave(name string, d int64) {
	if p := w.running[name]; p != nil && !p.leaving && len(w.running) > 1 {
		p.arrived(p.leave)
		w.in(d, func() { w.boot(name) })
	}
}

// heal ends all faults, and starts what is missing.
func (w *world) heal() {
	w.tell("", "ALL FAULTS END")
	w.healing = true
	w.loss, w.lag, w.unflushed, w.toil = 0, 0, 0, 0
	clear(w.check.cutOff)
	for _, r := range w.routes {
		r.cuts, r.held = 0, 0
	}
	for _, b := range buckets {
		s := w.streams[b]
		s.late, s.mute, s.full, s.was = 0, 0, 0, nil
		s.idle = min(s.idle, w.now+9*sec)
	}
	for _, s := range w.servers {
		if !s.alive {
			s.start()
		}
	}
	w.elect()
	for _, p := range w.procs {
		p.cutting, p.deaf, p.behind, p.next = 0, 0, 0, nil
		p.busyTill = min(p.busyTill, w.now)
		p.wakeLoop()
		p.wake()
	}
	for _, name := range w.names {
		w.boot(name)
	}
	w.client.insist()
}
