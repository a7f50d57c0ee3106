package sim

import (
	"fmt"
	"strings"
	"time"
)

// trace keeps the last lines of a story.
type trace struct {
	lines   []string
	next    int
	max     int
	detail  bool // all of it, not only what people want to read
	dropped int
}

// lineMost is how long a line of a story may be.
const lineMost = 320

func newTrace(n int) *trace { return &trace{max: n} }

func (t *trace) add(now int64, who, text string) {
	if len(text) > lineMost && !t.detail {
		text = text[:lineMost] + "…"
	}
	line := fmt.Sprintf("%10.4f %-3s %s", time.Duration(now).Seconds(), who, text)
	if len(t.lines) < t.max {
		t.lines = append(t.lines, line)
		return
	}
	t.dropped++
	t.lines[t.next] = line
	t.next = (t.next + 1) % t.max
}

// String returns the lines, the oldest first.
func (t *trace) String() string {
	var b strings.Builder
	if t.dropped > 0 {
		fmt.Fprintf(&b, "(%d lines before these are left out)\n", t.dropped)
	}
	for i := range t.lines {
		b.WriteString(t.lines[(t.next+i)%len(t.lines)])
		b.WriteByte('\n')
	}
	return b.String()
}
