package register

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// Outcome says what a client knows of an operation that it sent.
type Outcome string

// The outcomes.
const (
	OK Outcome = "ok" // answered
	// None: refused, with the word that nothing was done. That word is believed, and so it is tested: if
	// the value turns up, no order explains it.
	None Outcome = "none"
	// Unknown: not answered in time, or the answer leaves it open. It may take effect at any later time.
	Unknown Outcome = "unknown"
)

// Op is one operation as its client saw it. Each is sent once: another try is another operation, with
// another value.
type Op struct {
	Client   int    `json:"client"`
	Register string `json:"register"`
	Kind     Kind   `json:"kind"`
	// Value is what is written. No other operation has it, and it is not 0.
	Value   int64   `json:"value,omitempty"`
	Expect  int64   `json:"expect,omitempty"`
	Call    int64   `json:"call"`   // before it was sent, in nanoseconds of a clock that does not jump
	Return  int64   `json:"return"` // after the answer came, or was given up
	Outcome Outcome `json:"outcome"`
	Found   int64   `json:"found"`   // of an OK read or CAS
	Swapped bool    `json:"swapped"` // of an OK CAS
	Node    string  `json:"node,omitempty"`
	Epoch   uint64  `json:"epoch,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// String returns the operation in a few words.
func (o Op) String() string {
	what := fmt.Sprintf("%s(%d)", o.Kind, o.Value)
	switch o.Kind {
	case Read:
		what = "read()"
	case CAS:
		what = fmt.Sprintf("cas(%d to %d)", o.Expect, o.Value)
	}
	switch {
	case o.Outcome != OK:
		return fmt.Sprintf("%s: %s", what, o.Outcome)
	case o.Kind == Read:
		return fmt.Sprintf("%s: %d", what, o.Found)
	case o.Kind == CAS:
		return fmt.Sprintf("%s: found %d, swapped %v", what, o.Found, o.Swapped)
	}
	return what + ": ok"
}

// Recorder collects operations. Its methods may be called concurrently.
type Recorder struct {
	mu  sync.Mutex
	ops []Op
}

// Begin notes an operation before it is sent, and returns what is to be called when it is over. Others may see
// its effect before that; until then its outcome is unknown, and it returns at the end of time.
func (r *Recorder) Begin(o Op) (end func(Op)) {
	o.Outcome, o.Return = Unknown, math.MaxInt64
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.ops)
	r.ops = append(r.ops, o)
	return func(o Op) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ops[i] = o
	}
}

// Ops returns the operations that were begun so far, in order of the calls. It may be called while others
// are under way.
func (r *Recorder) Ops() []Op {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := slices.Clone(r.ops)
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	return ops
}

// Count says what became of operations.
type Count struct{ OK, None, Unknown int }

// CountOf counts outcomes.
func CountOf(ops []Op) Count {
	var c Count
	for _, o := range ops {
		switch o.Outcome {
		case OK:
			c.OK++
		case None:
			c.None++
		case Unknown:
			c.Unknown++
		}
	}
	return c
}

// Takeovers counts how often the answers of a child passed to another epoch, over all children. A
// register's name is that of its child, "/", and whatever.
func Takeovers(ops []Op) int {
	epochs := map[string]map[uint64]bool{}
	for _, o := range ops {
		child, _, _ := strings.Cut(o.Register, "/")
		if o.Outcome != OK {
			continue
		}
		if epochs[child] == nil {
			epochs[child] = map[uint64]bool{}
		}
		epochs[child][o.Epoch] = true
	}
	n := 0
	for _, e := range epochs {
		n += len(e) - 1
	}
	return n
}
