package view

import (
	"errors"
	"fmt"
	"time"

	"github.com/phub-io/phub/protocol"
)

// Keys makes a node's incarnations, signs what the present one stores, and says whether another one signed what
// it seems to have stored: *protocol.Keys.
type Keys interface {
	NewID() string // of a new incarnation, which signs from now on
	Sign(text []byte) string
	Verify(id string, text []byte, signature string) bool
}

// signView returns the value of a view that this node commits.
func (m *Machine) signView(v *protocol.View) []byte {
	v.Sig = ""
	v.Sig = m.cfg.Keys.Sign(protocol.SignedText(encode(v)))
	return encode(v)
}

// signRecord returns a record that this node stores: its own, or a fence.
func (m *Machine) signRecord(rec protocol.NodeRecord) protocol.NodeRecord {
	rec.Sig = ""
	rec.Sig = m.cfg.Keys.Sign(protocol.SignedText(encode(rec)))
	return rec
}

// signedBy returns an error unless an incarnation signed a value. Whatever somebody else wrote in its name is
// treated like junk.
func signedBy(keys Keys, id string, value []byte) error {
	text, sig := protocol.SplitSignature(value)
	switch {
	case keys == nil: // in tests of what follows a bucket alone
		return nil
	case keys.Verify(id, text, sig):
		return nil
	case id == "":
		return errors.New("fencer: found nothing, expected the incarnation that fenced it")
	case sig == "":
		return fmt.Errorf("sig: found nothing, expected the signature of incarnation %q", id)
	}
	return fmt.Errorf("sig: found another's signature, or one of another value, expected that of incarnation %q", id)
}

// genuine returns an error if its author did not write a record, or wrote a later one: somebody else stored it.
func (n *Nodes) genuine(rec *protocol.NodeRecord, value []byte) error {
	if err := signedBy(n.authors, rec.Author(), value); err != nil && !n.unsafe.BelieveRecords {
		return err
	}
	old := n.nodes[rec.Node]
	switch {
	case old == nil || n.unsafe.PutBack:
	case old.ID != rec.ID && rec.Generation < old.Generation:
		return fmt.Errorf("generation: found %d, of an incarnation before the one whose record stood there: somebody put it back", rec.Generation)
	case old.ID == rec.ID && rec.Status != protocol.Lost && rec.Beat <= old.Beat:
		return fmt.Errorf("beat: found %d, of a record before the one that stood there: somebody put it back", rec.Beat)
	}
	return nil
}

// minor reports whether nothing that this node decides rests on another one's record at this moment: it does not
// coordinate, nor does the other.
func (m *Machine) minor(node string) bool {
	v := m.history.View()
	return m.lead == nil && v != nil && node != v.Coordinator.Node && node != m.self.Node
}

// readShare is each node's share of the time for reading what is new of other nodes: else each of n nodes that join would be
// read by n nodes at once.
const readShare = 20 * time.Millisecond

// newsPatience is how long this node lets news wait of nodes on whom nothing rests: for a lease at most. Those wait for none who
// may be the first to replace the coordinator.
func (m *Machine) newsPatience() time.Duration {
	if m.rank() < deputies && (m.coord.suspect || !m.Member()) {
		return 0
	}
	return min(m.beyond()*readShare, m.settings().Lease.Std())
}

// nextGeneration returns the number by which a new incarnation takes over the name from a record, which may be nil.
func (m *Machine) nextGeneration(from *Known) uint64 {
	next := max(m.generation, uint64(max(m.now.Wall.UnixMilli(), 0)))
	if from != nil {
		next = max(next, from.Generation)
	}
	return min(next+1, protocol.MaxGeneration)
}
