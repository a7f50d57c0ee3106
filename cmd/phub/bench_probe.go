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
	p.asker, err = newAsker(b.nc, subjects, p.elsewhere)
	return p, err
}

// elsewhere reports whether a reply is another node's. Those of the victim from before the strike prove
// nothing.
func (p *probe) elsewhere(i int, m *nats.Msg) bool {
	node := m.Header.Get(protocol.HeaderNode)
	epoch, err := strconv.ParseUint(m.Header.Get(protocol.HeaderEpoch), 10, 64)
	if node == "" || m.Header.Get(protocol.HeaderErrorCode) != "" || err != nil {
		return false
	}
	p.check.received(p.children[i], 0, node, epoch)
	return node != p.victim
}
