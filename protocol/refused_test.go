package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestReason_WordsAreThoseOfTheWire(t *testing.T) {
	t.Parallel()
	var words []string
	for _, r := range protocol.Reasons() {
		words = append(words, r.String())
	}
	if got, want := strings.Join(words, " "), "reply record inbox log message settings hub"; got != want {
		t.Errorf("found %q, expected %q: docs/wire.md lists them", got, want)
	}
	if got := protocol.Reason(-1).String(); got != "Reason(-1)" {
		t.Errorf("no reason is called %q", got)
	}
}

func TestRefusedCounts_DecodeIgnoresUnknownWordsOnly(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"reply":3,"log":1}`:                           `{"log":1,"reply":3}`,
		`{"reply":3,"of_the_future":{"x":[1]},"log":0}`: `{"reply":3}`,
		`{}`:                             `{}`,
		`null`:                           `{}`,
		`{"reply":-1}`:                   "refused.reply",
		`{"reply":1.5}`:                  "refused.reply",
		`{"reply":"3"}`:                  "refused.reply",
		`{"reply":18446744073709551615}`: "refused.reply",
		`[3]`:                            "refused:",
	} {
		c := protocol.RefusedCounts{protocol.ReasonInbox: 9}
		err := json.Unmarshal([]byte(data), &c)
		if !strings.HasPrefix(want, "{") {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, expected one on %s", data, err, want)
			}
			continue
		}
		if got, _ := json.Marshal(c); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; expected %s", data, got, err, want)
		}
	}
}

func TestRefusedCounts_SumsNeverWrapAndRestartsAreSeen(t *testing.T) {
	t.Parallel()
	full := protocol.RefusedCounts{protocol.ReasonReply: protocol.MaxRefused}
	if got := full.Add(full); got != full {
		t.Errorf("the sum of two full counts is %v", got)
	}
	before := protocol.RefusedCounts{protocol.ReasonReply: 10, protocol.ReasonLog: 5}
	now := protocol.RefusedCounts{protocol.ReasonReply: 12, protocol.ReasonLog: 2}
	if got, want := now.Since(before), (protocol.RefusedCounts{protocol.ReasonReply: 2, protocol.ReasonLog: 2}); got != want {
		t.Errorf("found %v, expected %v: the second has begun anew", got, want)
	}
}
