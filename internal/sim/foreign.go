package sim

import (
	"github.com/phub-io/phub/coordinator/view"
	"github.com/phub-io/phub/protocol"
)

// What is stored here is well-formed, and fits to what stands there: only its author did not write it. A forger knows
// all that is public, and signs as nobody but itself.

// mallory is who stores it.
var mallory = protocol.Incarnation{Node: "mallory", ID: "mallory-0-1"}

// storeView has somebody store a view that follows on the last one: by a coordinator that nobody knows, by another
// member, or by the present coordinator but without a node, so that others may take its place.
func (w *world) storeView(f Fault) {
	s := w.streams[protocol.PlacementBucket]
	v, err := protocol.DecodeView(s.keys[protocol.ViewKey].Value)
	if err != nil || s.server() == nil || w.unread() {
		return
	}
	out := w.target(f.A)
	v.Number += 1 + uint64(f.B%3)
	v.Batch, v.Reason = 1, "forged"
	switch f.B % 4 {
	case 0:
		v.Coordinator = mallory
		v.Members = append(v.Members, protocol.Member{Incarnation: mallory, Since: v.Number})
	case 1:
		if x := v.Member(out); x != nil {
			v.Coordinator = x.Incarnation
		}
	default:
		v.Members = without(&v, out)
	}
	if f.B%5 == 0 { // the signature of what it was made from stays otherwise
		v.Sig = signature(mallory.ID, protocol.SignedText(encode(v)))
	}
	s.put(view.Record{Key: protocol.ViewKey, Value: encode(v)})
}

// unread reports whether the coordinator that committed the last view has neither heard nor read that it did. Who overwrites that view then
// may undo it: see the README on who may write to the buckets.
func (w *world) unread() bool {
	v := &w.check.view
	p := w.running[v.Coordinator.Node]
	if p == nil || p.machine.Incarnation() != v.Coordinator {
		return false
	}
	known := p.machine.View()
	return known == nil || known.Number < v.Number
}

// without takes a node out of a view.
func without(v *protocol.View, node string) []protocol.Member {
	var members []protocol.Member
	for _, x := range v.Members {
		if x.Node != node {
			members = append(members, x)
			continue
		}
		v.Gone = append(v.Gone, protocol.Departure{Incarnation: x.Incarnation, Since: x.Since, Until: v.Number, Reason: "node_lost"})
	}
	return members
}

// storeRecord has somebody store a node's next record, which says what that node or its coordinator never said.
func (w *world) storeRecord(f Fault) {
	s := w.streams[protocol.NodesBucket]
	node := w.target(f.A)
	rec, err := protocol.DecodeNodeRecord(s.keys[node].Value)
	if err != nil || s.server() == nil {
		return
	}
	v := &w.check.view
	rec.Beat++
	switch f.B % 6 {
	case 0:
		rec.Status, rec.Reason = protocol.Lost, "forged"
	case 1:
		rec.Status, rec.Reason, rec.By, rec.Fencer = protocol.Lost, "forged", v.Coordinator.Node, v.Coordinator.ID
	case 2:
		rec.Status, rec.Reason = protocol.Left, "forged"
	case 3:
		rec.Withdrew = protocol.Withdrawal{ID: v.Coordinator.ID, View: v.Number}
	case 4:
		rec.ID, rec.Generation, rec.Beat = mallory.ID, rec.Generation+1, 1
		rec.Status = protocol.Up
	default: // over a connection that is closed
		rec.Status, rec.Conn = protocol.Up, protocol.Conn{Server: w.servers[f.B%servers].id, Client: 1 << 40}
	}
	s.put(view.Record{Key: node, Value: encode(rec)})
}

// putBack has somebody store again what a node or its coordinator stored under its name before, as restoring a copy does.
// Whoever followed knows better, and so the node itself. One that starts then does not; so the record of a
// coordinator that is the only member is spared: the other one would be alone with what stands there.
func (w *world) putBack(f Fault) {
	s := w.streams[protocol.NodesBucket]
	node := w.target(f.A)
	old := s.old[node]
	if s.server() == nil || len(old) < 2 || len(w.check.view.Members) < 2 && node == w.check.view.Coordinator.Node {
		return
	}
	s.put(view.Record{Key: node, Value: old[f.B*len(old)/60].Value})
}
