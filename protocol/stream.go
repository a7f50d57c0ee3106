package protocol

import (
	"encoding/json"
	"fmt"
)

// StreamAnswers returns an error if what was answered to a request of a hub is not a node's, but says that a stream has stored the
// request: who records the subject in a stream has that answer, sooner than any node. The error names the stream.
func StreamAnswers(hub, subject string, answer []byte) error {
	var ack struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
	}
	if json.Unmarshal(answer, &ack) != nil || ack.Stream == "" || ack.Seq == 0 {
		return nil
	}
	return fmt.Errorf("found stream %s, which stores what is sent to %s and answers for itself, expected a node of hub %s; "+
		"try: leave phub.%s.> out of the stream's subjects; phub.%s.mode.> and phub.%s.event.> may be recorded",
		Quote(ack.Stream), subject, hub, hub, hub, hub)
}
