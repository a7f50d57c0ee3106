package view

import (
	"time"

	"github.com/phub-io/phub/protocol"
)

// trust is until when this node may believe that it is a member. An accepted renewal counts from
// before it was sent, less the margin, so that it ends here before it ends for whoever waits for it.
type trust struct {
	until  time.Duration
	reason string        // why it was dropped
	told   time.Duration // what the running side knows
	known  bool
}

// renew takes an accepted renewal that was sent at an instant and is good for term.
func (m *Machine) renew(sent, term time.Duration) {
	if m.cfg.Unsafe.TrustFromAnswer {
		sent = m.now.Mono
	}
	m.trust.until = max(m.trust.until, sent+term-m.margin(term))
}

// margin is how much earlier than for those who wait trust ends here.
func (m *Machine) margin(term time.Duration) time.Duration {
	if m.cfg.Unsafe.NoMargin {
		return 0
	}
	return protocol.Margin(term)
}

func (t *trust) drop(reason string) { t.until, t.reason = 0, reason }

// setTrust tells the running side when its trust has changed. A node that is no member has none.
func (m *Machine) setTrust() {
	until := m.trust.until
	if m.lead != nil && m.authority() {
		until = max(until, m.backed())
	}
	if m.conn == nil && !m.cfg.Unsafe.KeepTrust || m.leaving || !m.Member() {
		until = 0
	}
	if m.conn != nil {
		until = min(until, m.inContact())
	}
	if m.trust.known && until == m.trust.told {
		return
	}
	m.trust.known, m.trust.told = true, until
	m.do(SetTrust{Until: until, Reason: m.trustReason(until)})
}

// trustReason says why there is no trust, in the status' own word if this node leaves; "" if there is.
func (m *Machine) trustReason(until time.Duration) string {
	switch {
	case until > m.now.Mono:
		return ""
	case m.leaving:
		return string(protocol.Left)
	case m.trust.reason == "":
		return "not a member"
	}
	return m.trust.reason
}
