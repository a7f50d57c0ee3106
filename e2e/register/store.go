package register

import "sync"

// Store keeps registers, whose first value is 0. Its methods may be called concurrently.
type Store struct {
	// Unguarded switches the look at the epoch off: a late write is stored. It is for tests, to show
	// what follows.
	Unguarded bool

	mu      sync.Mutex
	entries map[string]entry
	fenced  int
}

type entry struct {
	epoch uint64
	value int64
}

var _ Backing = (*Store)(nil)

// Open returns the value of a register, and refuses older epochs from then on.
func (s *Store) Open(register string, epoch uint64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.enter(register, epoch)
	return e.value, err
}

// Write stores a value, unless a newer epoch has been seen.
func (s *Store) Write(register string, epoch uint64, value int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.enter(register, epoch)
	if err != nil {
		return err
	}
	e.value = value
	s.entries[register] = e
	return nil
}

// enter notes the epoch of a register, or refuses it.
func (s *Store) enter(register string, epoch uint64) (entry, error) {
	e := s.entries[register]
	if epoch < e.epoch && !s.Unguarded {
		s.fenced++
		return e, ErrFenced
	}
	e.epoch = max(e.epoch, epoch)
	if s.entries == nil {
		s.entries = map[string]entry{}
	}
	s.entries[register] = e
	return e, nil
}

// Fenced returns how many operations were refused.
func (s *Store) Fenced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fenced
}
