package worker

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// restarts is what the book has of a replica whose worker ended by itself.
type restarts struct {
	protocol.Restarted
	order uint64 // of its last end among those of all
}

// noteRestart follows a replica's restarts. The slot's lock is held; the machine has not taken the event yet.
func (s *slot) noteRestart(e replica.Event) {
	switch e := e.(type) {
	case replica.Ended:
		s.noteEnd(e.Run, e.Err)
	case replica.StartFailed:
		s.noteEnd(e.Run, e.Err)
	case replica.Started:
		if s.ends > 0 && s.run != nil && s.run.id == e.Run {
			s.h.book.runs(s, time.Now())
		}
	}
}

func (s *slot) noteEnd(run uint64, err string) {
	if s.run != nil && s.run.id == run {
		s.ends++
		s.h.book.ended(s, protocol.Cut(err, protocol.MaxRestartError))
	}
}

// ended notes that a replica's worker ended by itself. Of the replicas of which that is so, it keeps the last ones.
func (b *book) ended(s *slot, err string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends++
	b.restarts[s] = restarts{protocol.Restarted{Child: s.child, Restarts: s.ends - 1, Error: err}, b.ends}
	if len(b.restarts) > protocol.MaxRestarted {
		oldest := s
		for x, r := range b.restarts {
			if r.order < b.restarts[oldest].order {
				oldest = x
			}
		}
		delete(b.restarts, oldest)
	}
	b.notify()
}

// runs notes that a replica's worker runs again.
func (b *book) runs(s *slot, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.restarts[s]; ok {
		r.Restarts, r.Since = s.ends, now.UTC().Format(protocol.TimeLayout)
		b.restarts[s] = r
		b.notify()
	}
}

// forget forgets the restarts of a replica that is no more.
func (b *book) forget(s *slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.restarts, s)
	delete(b.notices, s)
}

// restarted returns what a report says of restarts. The book's lock is held; room is for how many bytes of JSON: those that
// ended last come first.
func (b *book) restarted(room int) []protocol.Restarted {
	var list []protocol.Restarted
	for _, r := range slices.SortedFunc(maps.Values(b.restarts), func(x, y restarts) int { return cmp.Compare(y.order, x.order) }) {
		if room -= jsonSize(protocol.Failed{Child: r.Child, Error: r.Error}) + len(r.Since); room < 0 {
			break
		}
		list = append(list, r.Restarted)
	}
	slices.SortFunc(list, func(x, y protocol.Restarted) int { return cmp.Compare(x.Child, y.Child) })
	return list
}
