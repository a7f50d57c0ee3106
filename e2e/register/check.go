package register

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Violation is a history of one register that no order explains.
type Violation struct {
	Register string
	// Ops is the history up to the first answer that can't be explained.
	Ops []Op
	// Last is that answer.
	Last Op
}

// String returns the violation in one line.
func (v *Violation) String() string {
	return fmt.Sprintf("%s is not linearizable: after %d operations no order of them explains %s",
		v.Register, len(v.Ops)-1, describe(v.Last))
}

// Check looks for an order that explains the history of each register, for at most limit a register. It
// returns a violation if there is none, and nil if there is one for all. The error says why nothing can
// be said.
func Check(ops []Op, limit time.Duration) (*Violation, error) {
	by, err := split(ops)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch result := try(by[name], limit); result {
		case porcupine.Illegal:
			return blame(name, by[name], limit), nil
		case porcupine.Unknown:
			return nil, fmt.Errorf("register %s: not decided within %v over %d operations", name, limit, len(by[name]))
		}
	}
	return nil, nil
}

// split returns the histories by register, in order of the calls. Values must be unique: what is
// concluded from an unknown outcome rests on that.
func split(ops []Op) (map[string][]Op, error) {
	by, writer := map[string][]Op{}, map[int64]Op{}
	for _, o := range ops {
		by[o.Register] = append(by[o.Register], o)
		if o.Kind == Read {
			continue
		}
		if other, twice := writer[o.Value]; twice || o.Value == 0 {
			return nil, fmt.Errorf("%v writes a value that is 0 or also written by %v", o, other)
		}
		writer[o.Value] = o
	}
	return by, nil
}

func try(ops []Op, limit time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, operations(ops), limit)
}

// blame finds the first answer that can't be explained: what holds for a history holds for its
// beginnings.
func blame(name string, ops []Op, limit time.Duration) *Violation {
	var answers []Op
	for _, o := range ops {
		if o.Outcome == OK {
			answers = append(answers, o)
		}
	}
	slices.SortFunc(answers, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	from, to := 0, len(answers)-1
	for from < to {
		mid := (from + to) / 2
		if try(upTo(ops, answers[mid].Return), limit) == porcupine.Illegal {
			to = mid
		} else {
			from = mid + 1
		}
	}
	return &Violation{Register: name, Ops: upTo(ops, answers[from].Return), Last: answers[from]}
}

// upTo returns what was known at an instant: what had not returned by then might still come to anything.
func upTo(ops []Op, at int64) []Op {
	var out []Op
	for _, o := range ops {
		if o.Call > at {
			continue
		}
		if o.Return > at && o.Outcome == OK {
			o.Outcome, o.Found, o.Swapped = Unknown, 0, false
		}
		out = append(out, o)
	}
	return out
}

// Save writes the violation to a folder, as JSON and as a page to look at. It returns the files.
func (v *Violation) Save(dir string) ([]string, error) {
	page, data := filepath.Join(dir, "violation.html"), filepath.Join(dir, "violation.json")
	_, info := porcupine.CheckOperationsVerbose(model, operations(v.Ops), 30*time.Second)
	if err := porcupine.VisualizePath(model, info, page); err != nil {
		return nil, fmt.Errorf("draw the violation: %w", err)
	}
	return []string{page, data}, SaveOps(data, v.Ops)
}

// SaveOps writes operations to a file as JSON.
func SaveOps(path string, ops []Op) error {
	text, err := json.MarshalIndent(ops, "", " ")
	if err != nil {
		return fmt.Errorf("encode operations: %w", err)
	}
	return os.WriteFile(path, text, 0o644)
}
