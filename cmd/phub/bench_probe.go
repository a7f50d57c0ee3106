package main

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub/protocol"
)

// probe asks children until each has answered from elsewhere than the victim.
type probe struct {
	*asker
	victim   string
	children []string
	check    activeCheck
}

func (b *bench) newProbe(victim string, children []string) (*probe, error) {
	p := &probe{victim: victim, children: children, check: newActiveCheck()}
	subjects := make([]string, len(children))
	for i, child := range children {
		subjects[i] = protocol.SubjectsOf(b.hub).Request(child)
	}
	var err error
	p.asker, err = newAsker(b.nc, subjects, p.floor, p.elsewhere)
	return p, err
}

// floor returns the epoch that no answer to a request sent now may be below.
func (p *probe) floor(i int) uint64 { return p.check.sent(p.children[i]) }

// dual returns how many answers show two active replicas.
func (p *probe) dual() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.check.dual
}

// elsewhere reports whether a reply is another node's. Those of the victim from before the strike prove
// nothing.
func (p *probe) elsewhere(i int, floor uint64, m *nats.Msg) bool {
	node := m.Header.Get(protocol.HeaderNode)
	epoch, err := strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64)
	if node == "" || m.Header.Get(protocol.HeaderErrorCode) != "" || err != nil {
		return false
	}
	p.check.received(p.children[i], floor, node, epoch)
	return node != p.victim
}
