package view

import (
	"strings"

	"github.com/phub-io/phub/protocol"
)

// The configuration changes by a commit like any other: all follow it with the view. Which settings may change while nodes follow
// different views says protocol.Config.With.

// setControl takes a request to change the configuration, and says how it is. It is answered at once, so whoever asked asks again
// until it is done.
func (m *Machine) setControl(e ControlReceived, r protocol.SetRequest) (any, *protocol.Problem) {
	now := m.settings()
	_, changed, err := m.with(now, r.Config)
	if err != nil {
		return nil, badRequest(e.Verb, err)
	}
	state := protocol.SetResponse{Config: now, Revision: now.Revision(), Done: len(changed) == 0}
	switch c := m.lead.change; {
	case state.Done && (c == nil || m.adds(*c, r.Config) == 0):
		return state, nil
	case c != nil && m.adds(r.Config, *c) == 0 && m.adds(*c, r.Config) == 0: // the same again
		state.Done = false
		return state, nil
	case c != nil:
		return nil, setConflict("is being changed to something else at this moment")
	case r.Revision != 0 && r.Revision != now.Revision():
		return nil, setConflict("was changed since it was looked at: its revision is " + itoa(now.Revision()) + ", found " + itoa(r.Revision))
	}
	m.lead.change = &r.Config
	return state, nil
}

func setConflict(found string) *protocol.Problem {
	return &protocol.Problem{
		Code: protocol.CodeConflict, Message: "the hub's configuration " + found, Try: "phub hub info, and again",
	}
}

// with is protocol.Config.With.
func (m *Machine) with(c, change protocol.Config) (protocol.Config, []string, error) {
	if m.cfg.Unsafe.FromStrict && c.Failover == protocol.FailoverStrict && change.Failover != "" {
		c.Failover = protocol.FailoverAuto
		next, changed, err := c.With(change)
		return next, append(changed, "failover"), err
	}
	return c.With(change)
}

// adds returns in how many settings the configuration would differ if one change came after another one.
func (m *Machine) adds(first, then protocol.Config) int {
	one, _, err := m.with(m.settings(), first)
	if err != nil {
		return 1
	}
	_, changed, err := m.with(one, then)
	if err != nil {
		return 1
	}
	return len(changed)
}

// configure commits the change of the configuration that somebody asked for, if it is not stored yet.
func (m *Machine) configure() bool {
	if m.lead.change == nil {
		return false
	}
	next, changed, err := m.with(m.settings(), *m.lead.change)
	if err != nil || len(changed) == 0 {
		m.lead.change = nil
		return false
	}
	m.lead.placing.balanced = false // it may be on again
	value := encode(next.Changed(changed, m.nextNumber()))
	m.commit("set "+strings.Join(changed, ", "), []Write{{Key: protocol.ConfigKey, Value: value, Last: m.history.Revision(protocol.ConfigKey)}}, nil)
	return true
}

// ignores says once which options of this node are not obeyed, because the hub was told otherwise since.
func (m *Machine) ignores(c *protocol.Config) {
	text := strings.Join(c.Ignores(&m.cfg.Want), ", ")
	if text != "" && text != m.ignored {
		m.note(Info, "hub %s was configured otherwise while it ran; not obeyed: %s", m.cfg.Hub, text)
	}
	m.ignored = text
}
