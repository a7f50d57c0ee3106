package register

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// model is one register: a number, at first 0.
var model = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, output any) (bool, any) {
		return step(state.(int64), output.(Op))
	},
	Hash:              func(state any) uint64 { return uint64(state.(int64)) },
	DescribeOperation: func(_, output any) string { return describe(output.(Op)) },
	DescribeState:     func(state any) string { return fmt.Sprint(state) },
}

// step says whether an operation may have happened to a register that holds value, and what it holds
// then. What became of an operation stands in the operation itself; one whose outcome is unknown is
// only asked about if it took effect.
func step(value int64, o Op) (bool, any) {
	switch {
	case o.Kind == Read:
		return o.Found == value, value
	case o.Kind == Write:
		return true, o.Value
	case o.Outcome == Unknown:
		return value == o.Expect, o.Value
	case o.Found != value, o.Swapped != (value == o.Expect):
		return false, value
	case o.Swapped:
		return true, o.Value
	}
	return true, value
}

func describe(o Op) string {
	if o.Node == "" {
		return o.String()
	}
	return fmt.Sprintf("%s by %s in epoch %d", o, o.Node, o.Epoch)
}

// operations returns the history of one register as porcupine takes it. What had no effect is left out,
// and so are reads without an answer. A write or CAS of unknown outcome may take effect at any time, or
// never, which nobody can search through if there are many; but since no value is written twice, what
// others saw says which it was:
//
//   - Its value was seen: it took effect, and before the first operation that saw it returned.
//   - Its value was never seen: then nothing but a write, or the end, stands directly behind it in any
//     order that explains the history, and without it the order is as good. It is left out.
//
// Neither loses or invents a violation.
func operations(ops []Op) []porcupine.Operation {
	seen := firstSeen(ops)
	var out []porcupine.Operation
	for _, o := range ops {
		end := o.Return
		switch {
		case o.Outcome == None, o.Outcome == Unknown && o.Kind == Read:
			continue
		case o.Outcome == Unknown:
			at, ok := seen[o.Value]
			if !ok {
				continue
			}
			end = max(o.Call, at)
		}
		out = append(out, porcupine.Operation{ClientId: o.Client, Input: o.Kind, Output: o, Call: o.Call, Return: end})
	}
	return out
}

// firstSeen returns for each value the earliest return of an operation that found it. A CAS of unknown
// outcome found what it expected if what it wrote was seen.
func firstSeen(ops []Op) map[int64]int64 {
	seen := map[int64]int64{}
	see := func(v, at int64) bool {
		before, known := seen[v]
		if !known {
			before = math.MaxInt64
		}
		seen[v] = min(before, at)
		return at < before
	}
	for _, o := range ops {
		if o.Outcome == OK && o.Kind != Write {
			see(o.Found, o.Return)
		}
	}
	for more := true; more; {
		more = false
		for _, o := range ops {
			if at, known := seen[o.Value]; known && o.Outcome == Unknown && o.Kind == CAS {
				more = see(o.Expect, at) || more
			}
		}
	}
	return seen
}
