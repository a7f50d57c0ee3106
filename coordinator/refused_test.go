package coordinator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/phub-io/phub/coordinator"
	"github.com/phub-io/phub/internal/inmem"
	"github.com/phub-io/phub/internal/refused"
	"github.com/phub-io/phub/protocol"
)

func counting(c *refused.Counter) option {
	return func(_ *node, cfg *coordinator.Config) { cfg.Refused = c }
}

// TestStatus_HasWhatAllNodesRefused follows the counts over heartbeats, a process that is started again, and a takeover.
func TestStatus_HasWhatAllNodesRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nats := inmem.New()
		var first, second, again refused.Counter
		status := func(what string, want protocol.Refused) {
			t.Helper()
			wait(time.Second)
			var s protocol.StatusResponse
			if _, err := control(t, nats, protocol.VerbStatus, nil, &s); err != nil {
				t.Fatal(err)
			}
			if got := s.Refused["reply"]; got != want || want.Total == 0 && len(s.Refused) > 0 {
				t.Errorf("%s: found %+v, expected reply %+v", what, s.Refused, want)
			}
		}
		n1 := start(t, nats, "node1", counting(&first))
		<-n1.Admitted()
		n2 := start(t, nats, "node2", counting(&second))
		<-n2.Admitted()
		status("nothing was refused", protocol.Refused{})
		first.Add(protocol.ReasonReply, 3)
		second.Add(protocol.ReasonReply, 4)
		status("the coordinator's and a member's", protocol.Refused{Total: 7, PerMinute: 7})
		wait(2 * time.Minute)
		second.Count(protocol.ReasonReply)
		status("two minutes later", protocol.Refused{Total: 8, PerMinute: 1})
		n2.leave(t)
		status("without the member", protocol.Refused{Total: 3, PerMinute: 1})
		again.Add(protocol.ReasonReply, 10)
		n2 = start(t, nats, "node2", counting(&again))
		<-n2.Admitted()
		status("its process was started again", protocol.Refused{Total: 13, PerMinute: 1})
		n1.leave(t)
		status("the member has taken over", protocol.Refused{Total: 10})
		again.Count(protocol.ReasonReply)
		status("and refused once more", protocol.Refused{Total: 11, PerMinute: 1})
	})
}
