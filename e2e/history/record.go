package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// Line is one line of a worker's log: a request began or ended to be handled.
type Line struct {
	At    int64  `json:"t"`
	Phase Phase  `json:"phase"`
	ID    string `json:"id"` // of the request; each try has its own
	Child string `json:"child"`
	Node  string `json:"node"`
	// Replica is unique for each worker value: two replicas never share it, in one process or two.
	Replica string `json:"replica"`
	Epoch   uint64 `json:"epoch"`
	PID     int    `json:"pid"`
}

// Phase says what a Line tells.
type Phase string

// The phases. A request whose process died has no end.
const (
	Start Phase = "start"
	End   Phase = "end"
)

// ReadLines reads a worker's log. A last line that is cut off, as a killed process leaves it, is left
// out.
func ReadLines(r io.Reader) ([]Line, error) {
	var lines []Line
	in := bufio.NewReader(r)
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read line %d: %w", number, err)
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("read line %d: %w in %.80q", number, err, text)
		}
		lines = append(lines, l)
	}
}

// Sent is what became of one try of one request, as its sender saw it.
type Sent struct {
	ID    string
	Child string
	At    int64 // before it was sent
	Done  int64 // after the answer, or after it was given up
	// Outcome is OK for an answer without an error, otherwise what went wrong, in few words that are
	// the same for the same reason.
	Outcome string
	Node    string // from the answer's headers
	Epoch   uint64
}

// OK is the outcome of an acknowledged request.
const OK = "ok"

// Pause is a time in which a process was stopped by SIGSTOP.
type Pause struct {
	PID     int
	From    int64 // before the signal was sent
	Stopped int64 // when it was seen to be stopped
	To      int64 // before SIGCONT was sent; 0 if it never was
}

// Death is the end of a process by SIGKILL.
type Death struct {
	PID int
	At  int64 // when it was seen to be gone
}

// History is all that there is to judge. Lines must hold exclusive children only: those that may have
// but one active replica.
type History struct {
	Lines  []Line
	Sent   []Sent
	Pauses []Pause
	Deaths []Death
	Now    int64 // when the records were collected
}
