package view

import (
	"cmp"
	"time"

	"github.com/phub-io/phub/protocol"
)

// A hub's subjects reach as far as NATS does, over leaf nodes and gateways; its buckets belong to one JetStream domain. So two hubs
// of one name may hear each other. An id tells them apart. The hub's first coordinator makes it, with the configuration; the view,
// which is signed, says which it is.
//
// What another hub sends changes nothing. A node that is no member yet neither makes a hub beside one that runs, nor takes one over;
// it gives up, and names both domains. The members of two hubs that run already go on: neither is to be touched by the other.

// neighbour is another hub of this one's name.
type neighbour struct {
	hub, domain string
	since       time.Duration // since when its coordinator answers
	answered    time.Duration // when it did last; 0: never
	heard       time.Duration // when it sent something last; 0: never
	told        string        // what the log has of it
	toldAt      time.Duration
	look        time.Duration // when the buckets are read again, because it may be this hub
}

const (
	// neighbourPatience is how long a newcomer waits until it gives up beside another hub of the name. Until then what it hears may be
	// its own hub's, of whose buckets nothing is left, and whose nodes find that out by lookEvery and shortMost readings.
	neighbourPatience = lookEvery + shortMost*shortRetry + time.Second
	// joinsSoon is for how long a newcomer takes what it hears for its own hub, of which it has read nothing yet: one that is made at this
	// moment, by another newcomer.
	joinsSoon = time.Second
	// neighbourLasts is for how long a neighbour is shown after it was heard last.
	neighbourLasts = time.Minute
)

// hub returns the id of the hub that this node follows; "" if there is none yet, or none that has one.
func (m *Machine) hub() string {
	if v := m.history.View(); v != nil && v.Hub != "" {
		return v.Hub
	}
	if c := m.history.Config(); c != nil && c.ID != "" {
		return c.ID
	}
	return m.kept.ID
}

// Hub returns the id of the hub that this node follows; "" while it knows of none.
func (m *Machine) Hub() string { return m.hub() }

// keep remembers the configuration before the buckets are followed from nothing: if nothing is left of it, this hub goes on with it,
// and under its id.
func (m *Machine) keep() {
	if m.history == nil {
		return
	}
	id := m.hub()
	if c := m.history.Config(); c != nil {
		m.kept = *c
	}
	m.kept.ID = id
}

// fromOther reports whether an answer is from another hub's coordinator, and takes note of that hub.
func (m *Machine) fromOther(a *protocol.BeatAnswer) bool {
	if v := m.history.View(); a.Hub == "" || a.Hub == m.hub() || v != nil && a.Coordinator == v.Coordinator || m.cfg.Unsafe.AnyHub {
		return false
	}
	n := &m.neighbour
	if n.answered == 0 || m.now.Mono-n.answered > m.neighbourGone() {
		n.since = m.now.Mono
	}
	n.hub, n.domain, n.answered = a.Hub, a.Domain, m.now.Mono
	if !m.newcomer() || n.answered-n.since >= joinsSoon {
		m.meet(a.Hub, a.Domain)
	}
	return true
}

// refusesOther returns why a heartbeat is not this hub's, and says so in words; "" if it is.
func (m *Machine) refusesOther(b *protocol.Beat) (protocol.Refusal, string) {
	switch {
	case b.Hub == m.hub(), m.history.View().Has(b.Incarnation), m.cfg.Unsafe.AnyHub:
		return "", ""
	case b.Hub == "" && b.Domain == m.domain:
		return protocol.RefusedWait, "it has not read yet which hub it is to join"
	}
	m.meet(b.Hub, b.Domain)
	return protocol.RefusedHub, "it is of another hub of this name, or of none"
}

// isOther reports whether a control request is another hub's, and takes note of that.
func (m *Machine) isOther(hub string) bool {
	if hub == "" || hub == m.hub() || m.cfg.Unsafe.AnyHub {
		return false
	}
	m.do(CountRefused{protocol.ReasonHub})
	return true
}

// meet takes note of another hub of this one's name. The log has each once, and once a minute at most.
func (m *Machine) meet(hub, domain string) {
	n := &m.neighbour
	n.hub, n.domain, n.heard = hub, domain, m.now.Mono
	m.do(CountRefused{protocol.ReasonHub})
	if text := m.neighbourText(); text != n.told && (n.told == "" || m.now.Mono-n.toldAt >= tellEvery) {
		n.told, n.toldAt = text, m.now.Mono
		m.note(Warn, "%s", text)
	}
}

// neighbourText says which hubs there are, and where.
func (m *Machine) neighbourText() string {
	n := &m.neighbour
	other, own := "a node that follows no hub yet has its buckets in "+domainText(n.domain), "this node follows none yet, and has them in "
	if n.hub != "" {
		other = "another hub of the name " + m.cfg.Hub + " (id " + protocol.Cut(n.hub, maxShownID) + ") has its buckets in " + domainText(n.domain)
	}
	if id := m.hub(); id != "" {
		own = "this hub (id " + protocol.Cut(id, maxShownID) + ") has them in "
	}
	return other + "; " + own + domainText(m.domain) + ". Its messages are not obeyed, but of two hubs of one name each gets the other's requests: " +
		"give all nodes one domain (--js-domain; Options.Domain in Go), or one hub another name"
}

const maxShownID = 64

func domainText(domain string) string {
	if domain == "" {
		return "a JetStream without a domain"
	}
	return "JetStream domain " + protocol.Cut(domain, protocol.MaxDomain)
}

// heardOfOther reports whether another hub of the name was heard lately: what looks like a record may be one of its buckets'.
func (m *Machine) heardOfOther() bool {
	last := max(m.neighbour.heard, m.neighbour.answered)
	return last > 0 && m.now.Mono-last <= neighbourLasts
}

// neighbourGone is after how long without an answer another hub is taken to have ended.
func (m *Machine) neighbourGone() time.Duration {
	return 2 * max(m.settings().Lease.Std(), time.Second)
}

// besideOther reports whether this node writes nothing, because it is about to join, and another hub of the name runs; or because it
// does not know yet whether one does.
func (m *Machine) besideOther() bool {
	n := &m.neighbour
	switch {
	case !m.newcomer() || m.leaving:
		return false
	case n.answered > 0 && n.hub != m.hub() && m.now.Mono-n.answered <= m.neighbourGone() && !m.hubLives():
	default:
		return m.history.View() == nil && !m.beats.asked
	}
	unread := m.hub() == "" && m.domain == n.domain // it may be this very hub, of which nothing can be read at the moment
	if unread && m.now.Mono >= n.look {             // or its first view was missed: there may be no other for long
		n.look = m.now.Mono + joinsSoon
		for _, b := range protocol.Buckets {
			m.readAgain(b)
		}
	}
	if m.now.Mono-n.since >= neighbourPatience && !unread {
		m.do(Refused{protocol.Problem{
			Code: protocol.CodeConflict,
			Message: "hub " + m.cfg.Hub + " runs in " + domainText(n.domain) + " (id " + protocol.Cut(n.hub, maxShownID) + "), and this node's buckets are in " +
				domainText(m.domain) + ": of two hubs with one name each gets the other's requests",
			Try: "--js-domain (Options.Domain in Go), to join that hub; or another hub name",
		}})
	}
	return true
}

// newcomer reports whether no incarnation of this process was a member of the hub yet: nothing runs that rests on it.
func (m *Machine) newcomer() bool {
	m.belonged = m.belonged || m.Member()
	return !m.belonged && !m.cfg.Unsafe.AnyHub
}

// hubLives reports whether the coordinator of the view that this node follows has answered it.
func (m *Machine) hubLives() bool {
	return m.coord.heard > 0 && m.now.Mono-m.coord.heard <= m.neighbourGone()
}

// identify gives a hub an id that an earlier build made without one, and writes the id again if the configuration has lost it.
func (m *Machine) identify() bool {
	c := m.history.Config()
	if c == nil || c.ID != "" && c.ID == m.hub() || m.history.bad[protocol.ConfigKey] != "" {
		return false
	}
	with := m.settings()
	with.ID = m.newHub()
	m.commit("the hub has an id", []Write{{Key: protocol.ConfigKey, Value: encode(with), Last: m.history.Revision(protocol.ConfigKey)}}, func(v *protocol.View) {
		v.Hub = with.ID
	})
	return true
}

// newHub returns the hub's id, as far as anything of it is left; or one that no hub has: the incarnation that makes it.
func (m *Machine) newHub() string {
	if id := cmp.Or(m.hub(), m.history.storedHub(), m.nodes.hub()); id != "" {
		return id
	}
	return m.self.ID
}

// storedHub returns the id of a configuration that waits for its view.
func (h *History) storedHub() string {
	for _, p := range h.pending {
		if c, err := protocol.DecodeConfig(p.Value); p.Key == protocol.ConfigKey && !p.Deleted && err == nil {
			return c.ID
		}
	}
	return ""
}

// hub returns the id of the hub that the newest incarnation with a record followed; "" if none says.
func (n *Nodes) hub() string {
	id, newest := "", uint64(0)
	for _, node := range sortedKeys(n.nodes) {
		if k := n.nodes[node]; k.Hub != "" && k.Generation >= newest {
			id, newest = k.Hub, k.Generation
		}
	}
	return id
}

// hubChanged tells that this node goes on in another hub than it was in.
func (m *Machine) hubChanged() {
	was, is := m.kept.ID, m.hub()
	m.kept = protocol.Config{}
	if was != "" && is != "" && was != is {
		m.neighbour = neighbour{}
		m.note(Error, "hub %s was removed and made again: its id was %s, and is %s now; this node joins it", m.cfg.Hub, was, is)
	}
}

// replaced starts anew if the view of another hub stands in the bucket: somebody removed this one, and made it again.
func (m *Machine) replaced() bool {
	other := m.history.other
	if other == "" {
		return false
	}
	m.startAnew("the bucket has the view of another hub, with id " + protocol.Cut(other, maxShownID))
	return true
}
