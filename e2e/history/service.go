package history

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Service is what a child's clients had of it in a stretch of time.
type Service struct {
	// Gap is the longest time without an acknowledged answer, the stretch's ends included: an answer
	// counts when it arrived.
	Gap time.Duration
	// First and Last are the nodes of the first and the last acknowledged answer; Nodes are all, in
	// order of their first.
	First, Last string
	Nodes       []string
	Sent        int
	Outcomes    map[string]int
}

// ServiceOf returns what the clients of a child had of it from one instant to another, by the tries
// that were answered or given up in that time.
func ServiceOf(sent []Sent, child string, from, to int64) Service {
	var in []Sent
	for _, s := range sent {
		if s.Child == child && from <= s.Done && s.Done <= to {
			in = append(in, s)
		}
	}
	slices.SortFunc(in, func(a, b Sent) int { return cmp.Compare(a.Done, b.Done) })
	r := Service{Sent: len(in), Outcomes: map[string]int{}}
	last := from
	for _, s := range in {
		r.Outcomes[s.Outcome]++
		if s.Outcome != OK {
			continue
		}
		r.Gap = max(r.Gap, time.Duration(s.Done-last))
		last = s.Done
		if !slices.Contains(r.Nodes, s.Node) {
			r.Nodes = append(r.Nodes, s.Node)
		}
		r.Last = s.Node
	}
	if len(r.Nodes) > 0 {
		r.First = r.Nodes[0]
	}
	r.Gap = max(r.Gap, time.Duration(to-last))
	return r
}

// String returns one line.
func (s Service) String() string {
	var outcomes []string
	for _, o := range slices.Sorted(maps.Keys(s.Outcomes)) {
		outcomes = append(outcomes, fmt.Sprintf("%s: %d", o, s.Outcomes[o]))
	}
	return fmt.Sprintf("%d tries (%s) by %s, longest gap %v", s.Sent, strings.Join(outcomes, ", "), strings.Join(s.Nodes, " then "), s.Gap.Round(100*time.Microsecond))
}
