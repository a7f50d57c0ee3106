package adversary

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// unknownKind is one that no node has.
const unknownKind = "nobody_has_this"

// spared says why a message is not sent; "" if it is. Left out is what phub obeys by right, which is no defect,
// and what phub's documents say that somebody with such rights can do:
//
//   - a well-formed request to stop a child that the client asks, or to start one that is not of the Mob or asks
//     for more replicas than there are nodes: whoever may publish to `ctl.>` operates the hub.
//
// What the Generator never makes needs no look here:
//
//   - requests to JetStream's own interface: who may delete a bucket's stream, or its consumers, can delete it;
//   - roll-ups of a whole bucket, which is the same in one message;
//   - atomic batches that are begun and not ended: the server takes 50 of them for each stream and 10 s, and
//     then no other, which is its own bound on who writes to that stream;
//   - answers into inboxes of others: those are private, or whoever publishes there speaks for the server;
//   - heartbeats that a living incarnation might have sent itself, but for replays of its own: whoever may
//     publish to `int.coord.beat` is a node, and nodes trust each other.
func spared(w World, m Message) string {
	switch {
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbStop):
		return sparedStop(w, m.Data)
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbStart):
		return sparedStart(w, m.Data)
	}
	return ""
}

func sparedStop(w World, data []byte) string {
	var r protocol.StopRequest
	if json.Unmarshal(data, &r) != nil {
		return ""
	}
	for _, c := range r.Children {
		if slices.Contains(w.Children, c) {
			return "it stops " + c + " by right"
		}
	}
	return ""
}

func sparedStart(w World, data []byte) string {
	var r protocol.StartRequest
	if json.Unmarshal(data, &r) != nil {
		return ""
	}
	for i := range r.Children {
		c := &r.Children[i]
		switch {
		case c.Validate() != nil:
		case !slices.Contains(w.Mob, c.Child) && !slices.Contains(w.Children, c.Child):
			return "it fills the hub by right"
		case c.Kind != w.Kind && c.Kind != unknownKind:
			return "it runs another kind by right"
		}
	}
	return ""
}
