package sim

import (
	"maps"

	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// stream is what is behind a bucket: a replicated stream with a leader.
type stream struct {
	w      *world
	bucket protocol.Bucket
	last   uint64
	keys   map[string]view.Record // the last of each
	leader int
	idle   int64   // no leader before this instant
	late   float64 // chance that a write takes effect after its writer gave up
	mute   float64 // chance that an answer gets lost
	full   int64   // writes are refused before this instant
	was    *deposed
	old    map[string][]view.Record // what phub stored, for those who meddle
}

// deposed is a leader that lost its majority and does not know yet: it takes no writes, and answers
// reads from what it has.
type deposed struct {
	server *server
	starts int
	until  int64
	last   uint64
	keys   map[string]view.Record
}

func newStream(w *world, b protocol.Bucket, leader int) *stream {
	return &stream{w: w, bucket: b, keys: map[string]view.Record{}, old: map[string][]view.Record{}, leader: leader}
}

// server returns the leader's server, or nil if there is none that can act.
func (s *stream) server() *server {
	if s.w.now < s.idle {
		return nil
	}
	if l := s.w.servers[s.leader]; s.quorum(l) {
		return l
	}
	return nil
}

func (s *stream) quorum(l *server) bool {
	n := 0
	for _, x := range s.w.servers {
		if s.w.joined(l, x) {
			n++
		}
	}
	return n > servers/2
}

// elect looks for another leader if the present one can't act; that takes its time.
func (s *stream) elect() {
	if s.quorum(s.w.servers[s.leader]) {
		return
	}
	if l := s.w.servers[s.leader]; l.alive {
		s.was = &deposed{l, l.starts, s.w.now + s.w.between(0, 10*sec), s.last, maps.Clone(s.keys)}
	}
	s.idle = max(s.idle, s.w.now+s.w.between(4*sec, 9*sec))
	s.w.at(s.idle, s.choose)
}

// reader returns where a client's reads are answered, from what, and up to which revision.
func (s *stream) reader(c *conn) (*server, map[string]view.Record, uint64) {
	if d := s.was; d != nil && s.w.now < d.until && d.server.starts == d.starts && !s.quorum(d.server) && s.w.joined(c.srv, d.server) &&
		(s.server() == nil || !s.w.joined(c.srv, s.server())) {
		return d.server, d.keys, d.last
	}
	return s.server(), s.keys, s.last
}

func (s *stream) choose() {
	if s.quorum(s.w.servers[s.leader]) {
		return
	}
	for _, i := range s.w.rng.Perm(servers) {
		if s.quorum(s.w.servers[i]) {
			s.leader = i
			s.w.tell("", "bucket %s has a leader again: %s", s.bucket, s.w.servers[i].id)
			return
		}
	}
	s.w.in(500*ms, s.choose)
}

// read has a read answered, by whoever takes it for his to answer.
func (s *stream) read(c *conn, do func(keys map[string]view.Record, last uint64) (answer func())) {
	l, _, _ := s.reader(c)
	if l == nil {
		return
	}
	s.w.upTo(c, l, func() {
		if x, keys, last := s.reader(c); x == l {
			s.w.downTo(l, c, do(keys, last))
		}
	})
}

// ask has something written by the leader, and its answer carried back. Both may get lost.
func (s *stream) ask(c *conn, do func() (answer func())) {
	w := s.w
	l := s.server()
	if l == nil {
		return
	}
	w.upTo(c, l, func() {
		extra := int64(0)
		if w.chance(s.late) {
			extra = w.between(100*ms, 6*sec)
		}
		w.in(extra, func() {
			if l := s.server(); l != nil {
				answer := do()
				if !w.chance(s.mute) {
					w.downTo(l, c, answer)
				}
			}
		})
	})
}

// noRoom is why a stream refuses writes.
const noRoom = "insufficient storage"

// take stores what a node writes, unless there is no room for it.
func (s *stream) take(p *process, writes []view.Write) (rev uint64, o view.Outcome, cause string) {
	if s.w.now < s.full {
		s.w.check.refused(p, s.bucket)
		return 0, view.Rejected, noRoom
	}
	s.w.check.writer = p
	rev, o = s.store(p.name, writes)
	s.w.check.writer = nil
	return rev, o, ""
}

// store stores writes, all or none, and has them repeated to everybody.
func (s *stream) store(who string, writes []view.Write) (uint64, view.Outcome) {
	for _, x := range writes {
		if s.keys[x.Key].Revision != x.Last && s.w.unsafe.compares(s.bucket, x.Key) {
			s.w.logf(who, "%s: refused, %s is at %d, not at %d", s.bucket, x.Key, s.keys[x.Key].Revision, x.Last)
			return 0, view.Conflict
		}
	}
	var stored []view.Record
	for _, x := range writes {
		s.last++
		r := view.Record{Bucket: s.bucket, Key: x.Key, Value: x.Value, Revision: s.last, Deleted: x.Delete}
		s.w.check.stored(s, r)
		s.keys[x.Key] = r
		s.old[x.Key] = append(s.old[x.Key], r)
		stored = append(stored, r)
		s.w.logf(who, "%s: stored %s at %d: %s", s.bucket, r.Key, r.Revision, r.Value)
		s.w.tellStored(who, r)
	}
	s.w.check.committed(s)
	s.repeat(stored)
	return s.last, view.Done
}

// repeat publishes what was stored to all nodes.
func (s *stream) repeat(records []view.Record) {
	w := s.w
	l := w.servers[s.leader]
	for _, x := range w.servers {
		for _, c := range x.conns {
			if c.proc == nil || !c.open || !c.ready || !w.linked(l, x) || w.now < c.proc.deaf {
				continue
			}
			first := max(w.now, c.proc.behind)
			if l != x {
				first = max(first, w.route(l, x).held)
			}
			for _, r := range records {
				if w.chance(w.loss) {
					continue
				}
				t := max(c.told[s.bucket], first+w.latency()+w.latency())
				c.told[s.bucket] = t
				if w.chance(w.lag / 4) {
					t = first // overtakes the ones before it
				}
				w.at(t, func() { w.hand(c, func() { c.proc.loop(view.RecordStored{Record: r}) }) })
			}
		}
	}
}
