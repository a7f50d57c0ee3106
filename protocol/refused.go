package protocol

import (
	"encoding/json"
	"fmt"
)

// Reason is why a node refused or dropped input that it can't trust or has no room for.
type Reason int

// The reasons. Their words are on the wire: a new one goes to the end, and none is used for something else.
const (
	ReasonReply    Reason = iota // an answer was asked for on a subject that is not for answers
	ReasonRecord                 // a live record of a bucket that the bucket doesn't bear out
	ReasonInbox                  // more waits already than there is room for
	ReasonLog                    // more was to be logged than the log takes
	ReasonMessage                // a message that is not what its subject says
	ReasonSettings               // settings of a bucket that somebody changed: they were put back
	ReasonHub                    // a message of another hub of the same name
	reasons
)

var reasonWords = [reasons]string{"reply", "record", "inbox", "log", "message", "settings", "hub"}

// String returns the reason's word.
func (r Reason) String() string {
	if r < 0 || r >= reasons {
		return fmt.Sprintf("Reason(%d)", int(r))
	}
	return reasonWords[r]
}

// Reasons returns all reasons, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// RefusedCounts says how much input was refused, by Reason. In JSON it is an object by the reasons' words; zeros are
// left out, and words that this phub does not know are ignored: a newer node may have more of them.
type RefusedCounts [reasons]uint64

// MaxRefused is where counts end to grow: the largest number that all readers of JSON take.
const MaxRefused = 1 << 53

// MarshalJSON implements json.Marshaler.
func (c RefusedCounts) MarshalJSON() ([]byte, error) {
	byWord := map[string]uint64{}
	for r, n := range c {
		if n > 0 {
			byWord[reasonWords[r]] = min(n, MaxRefused)
		}
	}
	return json.Marshal(byWord)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *RefusedCounts) UnmarshalJSON(data []byte) error {
	var byWord map[string]json.RawMessage
	if err := json.Unmarshal(data, &byWord); err != nil {
		return &FieldError{"refused", Quote(string(data)), "a JSON object of numbers"}
	}
	*c = RefusedCounts{}
	for r, word := range reasonWords {
		n, ok := byWord[word]
		if !ok {
			continue
		}
		if err := json.Unmarshal(n, &c[r]); err != nil || c[r] > MaxRefused {
			return &FieldError{"refused." + word, Quote(string(n)), fmt.Sprintf("a whole number from 0 to %d", uint64(MaxRefused))}
		}
	}
	return nil
}

// Add returns the sum of both.
func (c RefusedCounts) Add(d RefusedCounts) RefusedCounts {
	for r, n := range d {
		c[r] = min(c[r], MaxRefused) + min(n, MaxRefused)
		c[r] = min(c[r], MaxRefused)
	}
	return c
}

// Since returns what was counted after before. A count that is lower than before has begun anew.
func (c RefusedCounts) Since(before RefusedCounts) RefusedCounts {
	for r, n := range before {
		if c[r] >= n {
			c[r] -= n
		}
	}
	return c
}

// Refused says how much input the nodes of a hub refused for one reason.
type Refused struct {
	Total     uint64 `json:"total"`      // by the present members, each since the start of its process
	PerMinute uint64 `json:"per_minute"` // in the last minute, as far as this coordinator heard of it
}
