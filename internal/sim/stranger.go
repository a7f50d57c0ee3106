package sim

import (
	"math/rand/v2"

	"github.com/phub-io/phub/protocol"
)

// sealed is a message between nodes as it goes over the wire: with the incarnation that signed it. Who hears it can send it again
// as it is; changed, it is nobody's.
type sealed[T any] struct {
	msg T
	by  string
}

// seal signs a message as the incarnation that it names, if that is the process's present one.
func seal[T any](p *process, id string, msg T) sealed[T] {
	if p.keys.id != id {
		id = ""
	}
	return sealed[T]{msg, id}
}

// stranger is somebody in the hub's account who hears all messages between nodes, and sends his own: forged ones in others' names,
// others with a key of his own, and true old ones. He knows all that is public, and signs as nobody but himself.
type stranger struct {
	w        *world
	rng      *rand.Rand
	beats    memory[sealed[protocol.Beat]]
	answers  memory[sealed[protocol.BeatAnswer]]
	releases memory[sealed[protocol.ReleaseRequest]]
	released memory[sealed[protocol.ReleaseAnswer]]
	beating  int64 // he sends heartbeats until then,
	lying    int64 // answers those of others,
	freeing  int64 // and requests for release
}

// memory keeps some of what was heard: some new, some old.
type memory[T any] struct {
	all  []T
	seen int
}

// remembered is how many messages of each kind are kept.
const remembered = 64

func (m *memory[T]) add(r *rand.Rand, x T) {
	if m.seen++; len(m.all) < remembered {
		m.all = append(m.all, x)
	} else if i := r.IntN(2 * remembered); i < remembered {
		m.all[i] = x
	}
}

// any returns one of those that are wanted.
func (m *memory[T]) any(r *rand.Rand, want func(T) bool) (x T, ok bool) {
	if len(m.all) == 0 {
		return x, false
	}
	from := r.IntN(len(m.all))
	for i := range m.all {
		if x := m.all[(from+i)%len(m.all)]; want(x) {
			return x, true
		}
	}
	return x, false
}

// strangerRecipes are those for messages that somebody sends in the nodes' names. They are among Recipes, too.
var strangerRecipes = []Recipe{
	{Name: "somebody says that all is settled while a child moves", steps: []step{
		{FalseBeats, 0, 0, anyone, sec, 3 * sec},
		{Deaf, 100 * ms, 200 * ms, one, 500 * ms, 2 * sec},
		{Deaf, 100 * ms, 200 * ms, deputy, 500 * ms, 2 * sec},
		{MoveChild, 200 * ms, 500 * ms, child, 0, 0},
		{MoveChild, 200 * ms, 500 * ms, anyone, 0, 0},
		{MoveChild, 500 * ms, sec, child, 0, 0},
		{MoveChild, 500 * ms, 2 * sec, anyone, 0, 0},
	}},
	{Name: "old heartbeats are sent again to a new coordinator", steps: []step{
		{FalseBeats, 0, 0, anyone, 3 * sec, 5 * sec},
		{Late, 0, 0, nodes, sec, 3 * sec},
		{Reset, 0, 100 * ms, one, 0, 0},
		{Crash, 200 * ms, 400 * ms, coordinator, 10 * ms, 3 * sec},
		{StallOut, 200 * ms, 400 * ms, one, sec, 3 * sec},
	}},
	{Name: "somebody answers heartbeats of a node that is cut off", steps: []step{
		{FalseAnswers, 0, 0, anyone, 6 * sec, 7 * sec},
		{ServerCut, 100 * ms, 500 * ms, deputy, 4 * sec, 5500 * ms},
	}},
	{Name: "somebody answers requests for release", steps: []step{
		{FalseReleases, 0, 0, one, 3 * sec, 5 * sec},
		{Loss, 0, 0, most, 500 * ms, 2 * sec},
		{MoveChild, 0, 500 * ms, child, 0, 0},
		{MoveChild, 500 * ms, sec, child, 0, 0},
		{MoveChild, sec, 2 * sec, child, 0, 0},
	}},
}

// strangers has somebody send messages in the nodes' names in every run.
func (p *Plan) strangers(r *rand.Rand) {
	for t := r.Int64N(4 * sec); t < p.End; t += sec + r.Int64N(5*sec) {
		p.Faults = append(p.Faults, faultOf(r, FalseBeats+Kind(r.IntN(3)), t))
	}
	if r.IntN(4) == 0 {
		for t := r.Int64N(6 * sec); t < p.End; t += 4*sec + r.Int64N(6*sec) {
			p.play(&strangerRecipes[r.IntN(len(strangerRecipes))], r, t)
		}
	}
}

// strike has him begin, or go on for longer.
func (s *stranger) strike(f Fault) {
	until := s.w.now + f.For
	switch f.Kind {
	case FalseBeats:
		if s.beating < s.w.now {
			s.w.in(us, s.beat)
		}
		s.beating = max(s.beating, until)
	case FalseAnswers:
		s.lying = max(s.lying, until)
	case FalseReleases:
		s.ask(f)
		s.freeing = max(s.freeing, until)
	}
}

// beat sends a heartbeat to whoever coordinates, and the next one soon.
func (s *stranger) beat() {
	if s.w.now > s.beating || s.w.healing {
		return
	}
	if m, ok := s.falseBeat(); ok {
		s.w.logf("", "SOMEBODY sends heartbeat %d of %s, by view %d, signed by %q", m.msg.Number, m.msg.ID, m.msg.View, m.by)
		from := s.w.servers[s.rng.IntN(servers)]
		for _, srv := range s.w.servers {
			for _, c := range srv.conns {
				if c.proc != nil && c.open && c.ready && c.lead && from.alive {
					s.w.in(s.latency(), func() {
						s.w.over(from, c.srv, func() { s.w.hand(c, func() { c.proc.received(m, func(sealed[protocol.BeatAnswer]) {}) }) })
					})
				}
			}
		}
	}
	s.w.in(s.rng.Int64N(100*ms), s.beat)
}

// falseBeat is a true heartbeat, one that was changed, or one of a node that there is not.
func (s *stranger) falseBeat() (sealed[protocol.Beat], bool) {
	v := &s.w.check.view
	m, ok := s.beats.any(s.rng, func(x sealed[protocol.Beat]) bool { return s.rng.IntN(2) == 0 || v.Has(x.msg.Incarnation) })
	if !ok || len(v.Members) == 0 {
		return m, false
	}
	b := m.msg
	b.View = v.Number
	switch s.rng.IntN(8) {
	case 0: // he asks to join, with a key of his own
		b.Incarnation = mallory
		return sealed[protocol.Beat]{b, mallory.ID}, true
	case 1: // under a name that is taken
		b.ID = mallory.ID
		return sealed[protocol.Beat]{b, mallory.ID}, true
	case 2, 3: // all is settled
		b.Incarnation = v.Members[s.rng.IntN(len(v.Members))].Incarnation
		b.Number += s.rng.Uint64N(100)
		b.Report = protocol.Report{Settled: v.Number}
	case 4: // nothing later counts
		b.Incarnation = v.Members[s.rng.IntN(len(v.Members))].Incarnation
		b.Number = 1<<60 + s.rng.Uint64N(1<<10)
		b.Conn = protocol.Conn{Server: s.w.servers[s.rng.IntN(servers)].id, Client: 1 << 40}
	default:
		return m, true
	}
	return sealed[protocol.Beat]{b, mallory.ID}, true
}

// heardBeat has him answer somebody's heartbeat, too.
func (s *stranger) heardBeat(from *conn, m sealed[protocol.Beat], answer func(sealed[protocol.BeatAnswer])) {
	s.beats.add(s.rng, m)
	v := &s.w.check.view
	if s.w.now > s.lying || s.w.healing || len(v.Members) == 0 {
		return
	}
	a, ok := s.answers.any(s.rng, func(x sealed[protocol.BeatAnswer]) bool {
		return x.msg.To == m.msg.ID && x.msg.Accepted && x.msg.Coordinator == v.Coordinator
	})
	if !ok || s.rng.IntN(2) == 0 {
		a.msg = protocol.BeatAnswer{
			V: 1, Coordinator: v.Coordinator, To: m.msg.ID, Number: m.msg.Number, Accepted: true, View: v.Number,
			Conn: a.msg.Conn, Revision: a.msg.Revision, Specs: a.msg.Specs,
		}
		a.by = mallory.ID
		if s.rng.IntN(4) == 0 {
			a.msg.Coordinator = mallory
		}
	}
	s.tell(from, func() { answer(a) })
}

// heardAnswer has him remember it.
func (s *stranger) heardAnswer(m sealed[protocol.BeatAnswer]) { s.answers.add(s.rng, m) }

// heardRelease has him answer somebody's request for release, too: that all is let go of.
func (s *stranger) heardRelease(from *conn, node string, m sealed[protocol.ReleaseRequest], answer func(sealed[protocol.ReleaseAnswer])) {
	s.releases.add(s.rng, m)
	x := s.w.check.view.Member(node)
	if s.w.now > s.freeing || s.w.healing || x == nil {
		return
	}
	a, ok := s.released.any(s.rng, func(a sealed[protocol.ReleaseAnswer]) bool { return a.msg.ID == x.ID && len(a.msg.Released) > 0 })
	if !ok || s.rng.IntN(2) == 0 {
		a = sealed[protocol.ReleaseAnswer]{protocol.ReleaseAnswer{V: 1, Node: node, ID: x.ID, To: m.msg.ID, Number: m.msg.Number}, mallory.ID}
		for _, c := range m.msg.Children {
			a.msg.Released = append(a.msg.Released, c.Child)
		}
		if s.rng.IntN(2) == 0 { // with a key of his own
			a.msg.ID = mallory.ID
		}
	}
	s.tell(from, func() { answer(a) })
}

func (s *stranger) heardReleased(m sealed[protocol.ReleaseAnswer]) { s.released.add(s.rng, m) }

// ask asks a node to let go of all that it has, in another's name, or as somebody did before.
func (s *stranger) ask(f Fault) {
	p := s.w.running[s.w.target(f.A)]
	v := &s.w.check.view
	if p == nil || p.conn == nil || len(v.Members) == 0 {
		return
	}
	m, ok := s.releases.any(s.rng, func(sealed[protocol.ReleaseRequest]) bool { return true })
	if !ok || s.rng.IntN(2) == 0 {
		from := v.Members[s.rng.IntN(len(v.Members))].Incarnation
		m = sealed[protocol.ReleaseRequest]{protocol.ReleaseRequest{V: 1, From: from.Node, ID: from.ID, Number: s.rng.Uint64()}, mallory.ID}
		for _, x := range p.host.all() {
			m.msg.Children = append(m.msg.Children, protocol.Release{Child: x.child, View: v.Number + s.rng.Uint64N(3) - 1})
		}
	}
	c := p.conn
	s.tell(c, func() { p.host.release(c, m, func(sealed[protocol.ReleaseAnswer]) {}) })
}

// tell has something reach a client: he is at its own server.
func (s *stranger) tell(c *conn, do func()) {
	s.w.in(s.latency(), func() { s.w.hand(c, do) })
}

// latency draws nothing from what the rest of the run is made of.
func (s *stranger) latency() int64 { return 30*us + s.rng.Int64N(500*us) }
