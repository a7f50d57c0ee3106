package refused

import (
	"sync"
	"time"
)

// Seldom tells when a line that anybody may cause is due in the log: at most once a minute. It is ready for use as it is, and
// may be used concurrently.
type Seldom struct {
	mu   sync.Mutex
	next time.Time
	held uint64
}

const every = time.Minute

// Due reports whether the line is due, and how many were not since the last that was.
func (s *Seldom) Due(now time.Time) (held uint64, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		s.held++
		return 0, false
	}
	held, s.held, s.next = s.held, 0, now.Add(every)
	return held, true
}
