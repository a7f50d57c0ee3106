package adversary

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/phub-io/phub/protocol"
)

// unknownKind is one that no node has.
const unknownKind = "nobody_has_this"

// spared says why a message is not sent; "" if it is. Left out is what phub obeys by right, which is no defect:
//
//   - a well-formed request to stop or change a child that the client asks, or to start one that is not of the Mob or is of a kind
//     that nodes have besides the Mob's, or to make it of that kind, or to drain a node, or to change what may change of the
//     configuration: whoever may publish to `ctl.>` operates the hub.
//
// What the Generator never makes needs no look here:
//
//   - requests to JetStream's own interface: who may delete a bucket's stream, or its consumers, can delete it;
//   - roll-ups of a whole bucket, which is the same in one message;
//   - atomic batches that are begun and not ended: the server takes 50 of them for each stream and 10 s, and
//     then no other, which is its own bound on who writes to that stream;
//   - answers into inboxes of others: those are private, or whoever publishes there speaks for the server;
//   - records, views and heartbeats signed with a key of its own, which make it a node: nodes trust each other.
func spared(w World, m Message) string {
	switch {
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbStop):
		return sparedStop(w, m.Data)
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbStart):
		return sparedStart(w, m.Data)
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbUpdate):
		return sparedUpdate(w, m.Data)
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbSet):
		return sparedSet(m.Data)
	case strings.HasSuffix(m.Subject, ".ctl."+protocol.VerbDrain):
		return sparedDrain(w, m.Data)
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

func sparedUpdate(w World, data []byte) string {
	var r protocol.UpdateRequest
	if json.Unmarshal(data, &r) != nil {
		return ""
	}
	for i := range r.Children {
		switch c := &r.Children[i].Spec; {
		case c.Validate() != nil:
		case slices.Contains(w.Children, c.Child):
			return "it changes " + c.Child + " by right"
		case c.Kind != w.Kind && c.Kind != unknownKind:
			return "it runs another kind by right"
		}
	}
	return ""
}

func sparedSet(data []byte) string {
	var r protocol.SetRequest
	if c := &r.Config; json.Unmarshal(data, &r) == nil && (c.Redundancy != protocol.Redundancy{} || c.Probe != 0 || c.Failover != "" || c.Balance != "") {
		return "it changes the configuration by right"
	}
	return ""
}

func sparedDrain(w World, data []byte) string {
	var r protocol.DrainRequest
	if json.Unmarshal(data, &r) == nil && slices.Contains(w.Nodes, r.Node) {
		return "it drains " + r.Node + " by right"
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
