package sim

import (
	"fmt"
	"strings"
	"time"
)

// trace keeps the last lines of a story.
type trace struct {
	lines []string
	next  int
	max   int
}

func newTrace(n int) *trace { return &trace{max: n} }

func (t *trace) add(now int64, who, text string) {
	line := fmt.Sprintf("%12.6f %-4s %s", time.Duration(now).Seconds(), who, text)
	if len(t.lines) < t.max {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % t.max
}

// String returns the lines, the oldest first.
func (t *trace) String() string {
	var b strings.Builder
	for i := range t.lines {
		b.WriteString(t.lines[(t.next+i)%len(t.lines)])
		b.WriteByte('\n')
	}
	return b.String()
}
