package network

import (
	"fmt"
	"strings"
	"time"
)

// Rule says what befalls frames that go from one host to another. The zero value passes them all.
type Rule struct {
	// Cut loses all of them.
	Cut bool
	// Loss is the share that is lost, from 0 to 1, each frame by chance.
	Loss float64
	// Delay holds each back for so long, in order.
	Delay time.Duration
	// Flap is for how long the link is down, then up, and so on, beginning with down when the rule is set.
	// 0: it stays up.
	Flap time.Duration
}

// passes reports whether a frame gets through that comes so long after the rule was set. The draw is from
// [0, 1).
func (r Rule) passes(since time.Duration, draw float64) bool {
	switch {
	case r.Cut:
		return false
	case r.Flap > 0 && (since/r.Flap)%2 == 0:
		return false
	}
	return draw >= r.Loss
}

// String returns what the rule does, in few words.
func (r Rule) String() string {
	var does []string
	if r.Cut {
		does = append(does, "cut")
	}
	if r.Flap > 0 {
		does = append(does, fmt.Sprintf("down and up every %v", r.Flap))
	}
	if r.Loss > 0 {
		does = append(does, fmt.Sprintf("%.0f %% lost", 100*r.Loss))
	}
	if r.Delay > 0 {
		does = append(does, fmt.Sprintf("delayed by %v", r.Delay))
	}
	if len(does) == 0 {
		return "open"
	}
	return strings.Join(does, ", ")
}
