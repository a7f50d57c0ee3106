package sim

import (
	"github.com/phub-io/phub/protocol"
)

// play has the plan's faults happen.
func (w *world) play() {
	for _, f := range w.plan.Faults {
		if f.At >= w.plan.End {
			continue
		}
		w.at(f.At, func() {
			w.logf("", "FAULT %v", f)
			w.strike(f)
		})
	}
}

func (w *world) strike(f Fault) {
	name := w.target(f.A)
	if p := w.running[name]; p != nil && f.Kind <= StallOut {
		w.strikeProcess(p, f)
		return
	}
	switch f.Kind {
	case ServerCrash:
		w.crashServer(w.servers[f.A%servers], f.For)
	case ServerCut:
		a := f.A % servers
		w.cut([][2]int{pair(a, (a+1)%servers), pair(a, (a+2)%servers)}, f.For)
	case LinkCut:
		a := f.A % servers
		w.cut([][2]int{pair(a, (a+1)%servers)}, f.For)
	case NoLeader:
		s := w.streams[buckets[f.A%len(buckets)]]
		s.idle = max(s.idle, w.now+f.For)
	case Loss:
		w.during(f.For, func(on bool) { w.loss = value(on, 0.02+0.3*float64(f.A)/60) })
	case Lag:
		w.during(f.For, func(on bool) { w.lag = value(on, 0.02+0.5*float64(f.A)/60) })
	case Late:
		s := w.streams[buckets[f.A%len(buckets)]]
		w.during(f.For, func(on bool) { s.late = value(on, 0.3) })
	case Leave:
		w.leave(name, f.For)
	case StartChild, StopChild, MoveChild:
		w.client.begin(f)
	case WorkerFailed:
		w.failWorker(f)
	}
}

// target returns the node that a fault is about.
func (w *world) target(a int) string {
	if c := w.check.view.Coordinator.Node; a >= Coordinator && c != "" {
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
		p.cutting, p.stop = 1+f.B%4, f.For
	case HoldUp:
		p.busyTill = max(p.busyTill, w.now+f.For)
	case Reset:
		// A paused process would not notice: see Kick.
		if p.conn != nil && (!p.paused || w.plan.Config.Failover == protocol.FailoverStrict) {
			p.conn.shut()
		}
	case Kick:
		p.pause(f.For)
		if c := p.conn; c != nil {
			w.in(w.between(0, f.For), func() { c.shut() })
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

func (w *world) cut(pairs [][2]int, d int64) {
	for _, p := range pairs {
		w.cuts[p] = true
	}
	w.elect()
	w.in(d, func() {
		for _, p := range pairs {
			delete(w.cuts, p)
		}
		w.elect()
	})
}

func (w *world) elect() {
	for _, b := range buckets {
		w.streams[b].elect()
	}
}

func (w *world) leave(name string, d int64) {
	if p := w.running[name]; p != nil && !p.leaving && len(w.running) > 1 {
		p.arrived(p.leave)
		w.in(d, func() { w.reboot(name) })
	}
}

// reboot starts a process again once the one before has ended.
func (w *world) reboot(name string) {
	if p := w.running[name]; p != nil {
		if p.leaving {
			w.in(100*ms, func() { w.reboot(name) })
		}
		return
	}
	w.boot(name)
}

// heal ends all faults, and starts what is missing.
func (w *world) heal() {
	w.logf("", "all faults end")
	w.healing = true
	w.loss, w.lag = 0, 0
	clear(w.cuts)
	clear(w.check.cutOff)
	for _, b := range buckets {
		w.streams[b].late = 0
	}
	for _, s := range w.servers {
		if !s.alive {
			s.start()
		}
	}
	w.elect()
	for _, p := range w.procs {
		p.cutting = 0
		p.busyTill = min(p.busyTill, w.now)
		p.wakeLoop()
		p.wake()
	}
	for _, name := range w.names {
		w.reboot(name)
	}
	w.client.insist()
}
