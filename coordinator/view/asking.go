package view

import "time"

// asking is how often a server is asked for the connection of a node that is suspected of having ended: ever more seldom
// while nothing but time speaks for that. A machine that has no time finds all nodes late, and each one would ask for all
// others 20 times a second.
type asking struct {
	at    time.Duration // when it was asked last
	pause time.Duration // for how long not again; at least askEvery
}

func (a *asking) due(now time.Duration) bool { return now-a.at >= max(a.pause, askEvery) }

// asked notes a question, and doubles the pause after it, up to a limit.
func (a *asking) asked(now, most time.Duration) {
	a.at, a.pause = now, min(max(2*a.pause, askEvery), max(most, askEvery))
}

// hurry has the next question follow as soon as it may, because there is a reason to ask.
func (a *asking) hurry() { a.pause = 0 }

// askSeldom is how long a server is not asked for a connection at most: in a large hub questions about n nodes, or by n nodes
// about one, are about askShare apart in the end.
func (m *Machine) askSeldom() time.Duration { return m.beyond() * askShare }

// askShare is each node's share of the time for questions about connections.
const askShare = 20 * time.Millisecond

// few is how many nodes need no order among them: what all do at once is not much.
const few = 16

// beyond is how many more than a few nodes this hub has.
func (m *Machine) beyond() time.Duration {
	if m.cfg.Unsafe.Crowding {
		return 0
	}
	if m.cfg.Crowd {
		return 4 * m.crowd()
	}
	return max(0, m.crowd()-few)
}

// crowd is how many nodes this hub has, as far as this node knows.
func (m *Machine) crowd() time.Duration {
	if v := m.history.View(); v != nil {
		return time.Duration(max(len(v.Members), len(m.nodes.nodes)))
	}
	return time.Duration(len(m.nodes.nodes))
}
