package worker

import (
	"cmp"
	"slices"

	"github.com/phub-io/phub/protocol"
	"github.com/phub-io/phub/worker/replica"
)

// ReplicaInfo is what a replica is at a moment.
type ReplicaInfo struct {
	Child string
	Kind  string
	Mode  protocol.Mode
	Epoch uint64
	// Role is passive, holding, active, lingering or draining: see package replica.
	Role  string
	State protocol.State
	View  uint64 // of its newest entry
	Error string // why it was given up
}

// Replicas returns what is on this node at the moment, sorted by child.
func (h *Host) Replicas() []ReplicaInfo {
	var out []ReplicaInfo
	for _, s := range h.all() {
		if i, ok := s.info(); ok {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b ReplicaInfo) int { return cmp.Compare(a.Child, b.Child) })
	return out
}

// Slots is how many children the host keeps something of.
func (h *Host) Slots() int { return len(h.all()) }

func (s *slot) info() (ReplicaInfo, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return ReplicaInfo{}, false
	}
	i := ReplicaInfo{Child: s.child, Kind: s.run.spec.Kind, Role: s.m.Role().String(), View: s.m.View(), State: protocol.Starting}
	i.Mode, i.Epoch = s.m.Mode()
	if s.m.Life() == replica.Running {
		i.State = protocol.Running
	}
	if f := s.m.Failure(); f != nil {
		i.State, i.Error = protocol.FailedAt, f.Err
	}
	return i, true
}
