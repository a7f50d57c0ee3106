package protocol_test

import (
	"strings"
	"testing"

	"github.com/phub-io/phub/protocol"
)

func TestValidateReply_RefusesWhatIsNotForAnswers(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"$JS.API.STREAM.PURGE.KV_phub_h_placement", "$JS.hub.API.STREAM.DELETE.x", "$JS.ACK.s.c.1.2.3.4.5", "$KV.phub_h_nodes.node1",
		"$O.bucket.C.x", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SRV.PING", "$NRG.x", "$", "$.x", "$x",
		"phub.h.req.c", "phub.h.ctl.stop", "phub.h.mode.c", "phub.h.int.coord.beat", "phub._sys.kick.N", "phub.", "phub", "phub.h",
		"", ".", "a.", ".a", "a..b", "..phub.h.ctl.stop", "*", ">", "a.*", "a.>", "*.h.ctl.stop", ">.a", "a.*.b",
		"a b", "a\tb", "a\r\nb", "a\x00b", "a\x7fb", " phub.h.ctl.stop", "\vphub.h.ctl.stop",
		strings.Repeat("a", protocol.MaxReply+1),
	} {
		err := protocol.ValidateReply(subject)
		if err == nil || !strings.HasPrefix(err.Error(), "reply: found ") {
			t.Errorf("%.80q: error %v, expected one that says what was found", subject, err)
		} else if len(err.Error()) > 300 {
			t.Errorf("%.80q: an error of %d bytes", subject, len(err.Error()))
		}
	}
}

func TestValidateReply_TakesWhatMayBeAnInbox(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"_INBOX.abc.1", "_INBOX_h.alice.x.y", "_R_.abc.def", "answers", "orders.done", "a.$JS.API", "x.phub.h", "Phub.h", "phub_h.x", "phub-answers",
		"a*b.c>", "Ä.1", strings.Repeat("a", protocol.MaxReply),
	} {
		if err := protocol.ValidateReply(subject); err != nil {
			t.Errorf("%.80q: %v", subject, err)
		}
	}
}

func TestValidateClientReply_RefusesInboxesOfNodes(t *testing.T) {
	t.Parallel()
	for subject, taken := range map[string]bool{
		protocol.NodeInboxes("h") + ".x.y": false, protocol.NodeInboxes("other") + ".x": false, protocol.NodeInboxes("h"): false,
		"_INBOX_h.node-asks.x": true, "_INBOX_h.nodes.x": true, "_INBOX_h.alice.node": true, "_INBOX.node.x": true, "_INBOX_h": true, "node.x": true,
		"phub.h.req.c": false, "$KV.x": false,
	} {
		if err := protocol.ValidateClientReply(subject); (err == nil) != taken {
			t.Errorf("%s: error %v, expected that it is taken: %v", subject, err, taken)
		}
	}
	if err := protocol.ValidateReply(protocol.NodeInboxes("h") + ".x"); err != nil {
		t.Errorf("a node's request is not answered: %v", err)
	}
}

func FuzzValidateReply(f *testing.F) {
	f.Add("_INBOX.x")
	f.Add("$JS.API.INFO")
	f.Add("phub.h.ctl.stop")
	f.Fuzz(func(t *testing.T, subject string) {
		if protocol.ValidateReply(subject) != nil {
			return
		}
		if len(subject) > protocol.MaxReply || subject[0] == '$' || strings.HasPrefix(subject+".", "phub.") || strings.ContainsAny(subject, " \t\r\n\x00") {
			t.Errorf("%q may be answered", subject)
		}
	})
}
