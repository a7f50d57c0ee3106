package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// GoneAfter is for how long the record of a node that is gone stays in the bucket, unless Config says otherwise: long enough for
// people to see what became of it, and far longer than any wait that rests on it.
const GoneAfter = time.Hour

// tidying is the coordinator's removal of the records of nodes that are gone: names are new at each start by default, and
// nobody else would ever take them away.
type tidying struct {
	queue []string
	busy  string        // the node whose record is being removed
	next  time.Duration // not looked before this instant
}

const (
	tidyEvery = time.Second
	tidyStep  = 50 // records in one look
)

// disconnected forgets what was under way; what became of it the bucket says.
func (t *tidying) disconnected() { t.queue, t.busy = nil, "" }

// tidyDue removes a record, if one is due.
func (m *Machine) tidyDue() {
	t := &m.lead.tidy
	if t.busy != "" || m.holdsBack(protocol.NodesBucket) || !m.ready() || !m.authority() || m.leaving {
		return
	}
	if len(t.queue) == 0 && m.now.Mono >= t.next {
		t.next = m.now.Mono + tidyEvery
		t.queue = m.longGone()
	}
	for len(t.queue) > 0 && t.busy == "" {
		node := t.queue[0]
		t.queue = t.queue[1:]
		switch k := m.nodes.Get(node); {
		case !m.gone(node):
		case k.Status.Alive():
			reason := "silent for " + (m.now.Mono - k.Seen).Round(time.Second).String() + ", and no member"
			m.do(WriteNode{Record: m.fenceOf(k.Incarnation, k.NodeRecord, reason), Last: k.Revision})
		default:
			t.busy = node
			m.do(DropNode{Node: node, Last: k.Revision})
		}
	}
}

// longGone returns some nodes whose records may go. One that ended before it was a member has a record that says that it lives:
// that is fenced first, as any other.
func (m *Machine) longGone() []string {
	var nodes []string
	for _, node := range sortedKeys(m.nodes.nodes) {
		if len(nodes) < tidyStep && m.gone(node) {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// gone reports whether nothing can rest on a node's record any more: nobody of that name is a member, coordinates or asks to
// join, and no entry depends on one who was; and for long enough nothing was written under the name.
//
// The record may be a fence, which refuses the writes of an incarnation that wakes up. Its absence does so too: each write
// names the revision that it follows on. Such an incarnation reads its key then, finds that it did not follow what
// became of it, and is in doubt of its record: see doubt.
func (m *Machine) gone(node string) bool {
	k, v := m.nodes.Get(node), m.history.View()
	return k != nil && node != m.self.Node && node != v.Coordinator.Node && m.nodes.bad[node] == "" && m.nodes.Sure(node) &&
		m.now.Mono-k.Seen >= m.cfg.goneAfter() && m.lead.peers[node] == nil && m.nameFree(v, node)
}

// nodeDropped takes the result of a removal. One that was refused, or whose outcome is unknown, is decided anew from the
// key as it is.
func (m *Machine) nodeDropped(e NodeDropped) {
	if e.Outcome == Done {
		m.nodeStored(Record{Bucket: protocol.NodesBucket, Key: e.Drop.Node, Revision: e.Revision, Deleted: true})
	} else {
		m.readKey(protocol.NodesBucket, e.Drop.Node)
	}
	if m.lead == nil || m.lead.tidy.busy != e.Drop.Node {
		return // of a connection that is no more
	}
	m.lead.tidy.busy = ""
	if e.Outcome != Done {
		m.lead.tidy.queue, m.lead.tidy.next = nil, m.now.Mono+tidyEvery
	}
}

func (c *Config) goneAfter() time.Duration {
	if c.GoneAfter > 0 {
		return c.GoneAfter
	}
	return GoneAfter
}
